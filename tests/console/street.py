"""A small business on sockets: Kling, a relay, a tenant's server, one browser at both sites.

What happens in it is what a person does in a page, or a tenant's program over the network.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from relay.desk.portal import link_tenant
from relay.kling.httpx_transport import HttpxTransport
from relay.logins.links import make_link
from relay.sandbox.app import Sandbox
from relay.sandbox.settings import SandboxSettings
from tests.console.browsing import Browsing, chromium, origin_of, serving
from tests.relay_app import ACTOR, CLIP, TEXT2VIDEO, Relay, fixture_relay
from tests.waiting import PATIENCE_S, wait_until

ENDED = ("succeed", "failed")


class Hook:
    """A tenant's server: it keeps what it is told, and answers what it is set to."""

    def __init__(self) -> None:
        self.status = 200
        self.url = ""
        self.heard: list[dict[str, str]] = []
        """The headers of each request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.heard.append(headers)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"<b>taken</b>"})


class Street:
    """All of it, for a test."""

    def __init__(self, relay: Relay, client: httpx.AsyncClient, hook: Hook) -> None:
        self.relay = relay
        self.client = client
        self.hook = hook
        self.kling_url = self.public_url = ""
        self.console: Browsing
        self.portal: Browsing
        self.tenant = "acme"
        """Whose links into the portal are made."""

    async def create(self, api_key: str, **fields: Any) -> httpx.Response:
        """Create a task as a tenant's program does."""
        return await self.client.post(
            f"{self.public_url}{TEXT2VIDEO}",
            headers={"authorization": f"Bearer {api_key}"},
            json=CLIP | {"callback_url": self.hook.url} | fields,
        )

    async def made(self, api_key: str, **fields: Any) -> str:
        """Do so, and return its id."""
        answer = await self.create(api_key, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["task_id"])

    async def ended(self, task_id: str) -> Any:
        """Wait until a task has ended and its tenant was told, and return its row."""

        async def has_ended() -> Any:
            row = await self.relay.task(task_id)
            return row if row["state"] in ENDED else None

        return await wait_until(has_ended, what=lambda: f"task {task_id} has not ended")

    async def refused(self, api_key: str) -> None:
        """Wait until creates are refused for the time being; a process hears of it soon."""

        async def is_refused() -> bool:
            return (await self.create(api_key)).status_code == 503

        await wait_until(is_refused)

    async def taken(self, api_key: str) -> None:
        """Wait until creates are taken again."""

        async def is_taken() -> bool:
            return (await self.create(api_key)).status_code == 200

        await wait_until(is_taken)

    async def turned_away(self, api_key: str) -> None:
        """Wait until a key is none any more."""

        async def is_turned_away() -> bool:
            return (await self.create(api_key)).status_code == 401

        await wait_until(is_turned_away)

    async def heard(self, webhook_id: str, *, times: int) -> None:
        """Wait until a tenant's server has had a signed callback so often."""

        def was_told() -> bool:
            return [one.get("webhook-id") for one in self.hook.heard].count(webhook_id) == times

        await wait_until(was_told)

    async def reads(self, query: str, *values: object) -> Any:
        """Wait until a statement finds a row, and return it."""

        async def found() -> Any:
            rows = await self.relay.rows(query, *values)
            return rows[0] if rows else None

        return await wait_until(found, what=lambda: f"nothing came of {query}")


@asynccontextmanager
async def open_street(database_url: str, *, task_seconds: float = 0.3) -> AsyncIterator[Street]:
    """Open it, with nothing in it yet: no channel, no tenant, nobody."""
    public = socket.create_server(("127.0.0.1", 0))
    hook = Hook()
    sandbox = Sandbox(SandboxSettings(task_seconds=task_seconds))
    transport = HttpxTransport()
    async with (
        httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client,
        serving(sandbox) as kling_url,
        serving(hook) as hook_url,
        fixture_relay(
            database_url,
            transport=transport,
            with_worker=True,
            public_url=origin_of(public),
            callback_allow="127.0.0.0/8",
            portal=True,
            portal_name="Acme Video",
            studio=True,
        ) as relay,
        serving(relay.app.state.office) as office_url,
        serving(relay.app, public) as public_url,
        chromium() as browser,
    ):
        street = Street(relay, client, hook)
        hook.url = f"{hook_url}/kling"
        street.kling_url, street.public_url = kling_url, public_url

        async def new_key() -> str:
            async with relay.sessions.begin() as session:
                return await make_link(session, system_user="ann")

        async def new_tenant_key() -> str:
            async with relay.sessions.begin() as session:
                return (await link_tenant(session, ACTOR, street.tenant, relay.keys)).key

        street.console = Browsing(browser, office_url, "/console", new_key)
        street.portal = Browsing(browser, public_url, "/portal", new_tenant_key)
        try:
            yield street
        finally:
            relay.app.state.stopping.set()
            await client.post(f"{kling_url}/sandbox/reset")  # its timers end with the test
    await transport.aclose()
