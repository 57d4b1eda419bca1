"""A browser's session at the portal of a relay in process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx

from relay.desk.portal import link_tenant
from relay.desk.tokens import issue_token
from relay.logins.portal import find_tenant_visitor, open_portal_session
from relay.tenants.scope import Scope
from tests.console.browsing import Browsing, browsing_at
from tests.relay_app import ACTOR, Relay
from tests.waiting import PATIENCE_S

ORIGIN = "http://localhost"
COOKIE = "relay-portal"
OURS = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


class Visit:
    """What one browser does; its forms are sent as those of our own pages are."""

    def __init__(self, client: httpx.AsyncClient, csrf: str, token_id: int) -> None:
        self.client = client
        self.csrf = csrf
        self.token_id = token_id
        """Of the token that it entered by."""

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(f"/portal{path}", params=query or None)

    async def read(self, path: str, **query: Any) -> str:
        """Read a page that must be there, as a person does: without what marks it up."""
        answer = await self.get(path, **query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return unescape(answer.text)

    async def post(self, path: str, /, **fields: Any) -> httpx.Response:
        return await self.client.post(
            f"/portal{path}", data={"csrf": self.csrf, **fields}, headers=OURS
        )


async def enter_form(client: httpx.AsyncClient, token: Any, **fields: str) -> httpx.Response:
    """Log in by a token's API key."""
    sent = {"key": token.api_key, **fields}
    return await client.post("/portal/login", data=sent, headers=OURS)


@asynccontextmanager
async def browser(relay: Relay, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    app: Any = relay.app
    transport = httpx.ASGITransport(app=app, client=(address, 4711))
    async with httpx.AsyncClient(
        transport=transport, base_url=ORIGIN, timeout=PATIENCE_S
    ) as client:
        yield client


@asynccontextmanager
async def visiting(
    relay: Relay, tenant: str = "acme", scope: Scope = Scope.MANAGE
) -> AsyncIterator[Visit]:
    """Be somebody of a tenant who has entered by a new token of a scope."""
    async with relay.sessions.begin() as session:
        token = await issue_token(session, ACTOR, tenant, relay.keys, scope=scope)
        secret = await open_portal_session(session, token.id, address="127.0.0.1", agent="tests")
    async with relay.sessions.begin() as session:
        visitor = await find_tenant_visitor(session, secret)
    assert visitor is not None
    async with browser(relay) as client:
        client.cookies.set(COOKIE, secret)
        yield Visit(client, visitor.csrf, token.id)


@asynccontextmanager
async def browsing_portal(relay: Relay, tenant: str = "acme") -> AsyncIterator[Browsing]:
    """Serve the public listener on a socket, and start a browser at the portal."""

    async def new_key() -> str:
        async with relay.sessions.begin() as session:
            return (await link_tenant(session, ACTOR, tenant, relay.keys)).key

    async with browsing_at(relay, relay.app, "/portal", new_key) as browser:
        yield browser
