"""A relay before a sandbox, with an ear on both sides of it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import httpx

from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Body, Reply, Transport
from relay.pricing.book import Pack, Per, PriceRow
from relay.pricing.edit import set_price
from relay.sandbox.app import Sandbox
from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.corpus.examples import UNPRICED
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay

ODD_REPLY = (
    rb'"odd":{"text":"\u00e9\/","big":[829836802793406551,18446744073709551616123],"x":1e400,'
    rb'"f":1.0,"l":[],"o":{}},'
)
_OBJECT_OF_DATA = re.compile(rb'("data":\[?\{)(?=")')
_OBJECT_OF_INFO = re.compile(rb'("task_info":\{)(?=")')


class Asked(NamedTuple):
    """One exchange with Kling, as the relay had it."""

    method: str
    path: str
    """With the query."""
    body: bytes
    reply: Reply


class Tap:
    """A transport that keeps what passes, and adds to the sandbox's replies what it never says."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.asked: list[Asked] = []

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        """As the Transport does."""
        sent = body if isinstance(body, bytes) else b"".join(bytes(part) for part in body or ())
        reply = await self._inner.send(
            method, url, bearer=bearer, body=sent or None, timeout_s=timeout_s
        )
        odd = _OBJECT_OF_INFO.sub(rb"\1" + ODD_REPLY.replace(b"\\", b"\\\\"), reply.body)
        odd = _OBJECT_OF_DATA.sub(rb"\1" + ODD_REPLY.replace(b"\\", b"\\\\"), odd)
        odd = odd.replace(b'{"code":', b'{"new":[1E2, 5.0],"code":', 1)
        reply = Reply(reply.status, reply.content_type, odd, reply.retry_after)
        self.asked.append(Asked(method, url.removeprefix(SANDBOX_URL), sent, reply))
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()

    def last(self, *, mark: str, method: str = "POST") -> Asked | None:
        """The last exchange whose path or body has these characters."""
        for one in reversed(self.asked):
            if one.method == method and (mark in one.path or mark.encode() in one.body):
                return one
        return None


class CallbackEar(httpx.AsyncBaseTransport):
    """Takes the sandbox's callbacks to the relay, and keeps their bodies."""

    def __init__(self) -> None:
        self.app: Any = None
        self.bodies: list[bytes] = []
        """Of those that the relay has answered."""
        self._heard = asyncio.Condition()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        response = await httpx.ASGITransport(app=self.app).handle_async_request(request)
        self.bodies.append(body)
        async with self._heard:
            self._heard.notify_all()
        return response

    async def hear(self, kling_id: str, words: bytes) -> None:
        """Wait for a callback about one task that has these words."""
        async with self._heard:
            await self._heard.wait_for(lambda: any(words in body for body in self.of(kling_id)))

    def of(self, kling_id: str) -> list[bytes]:
        """The bodies about one task, in the order they came."""
        return [body for body in self.bodies if f'"{kling_id}"'.encode() in body]


class World(NamedTuple):
    """What the corpus is played in."""

    relay: Relay
    tap: Tap
    ear: CallbackEar
    acme: IssuedToken
    other: IssuedToken

    @property
    def sandbox(self) -> Any:
        return self.relay.sandbox

    def arrived(self, mark: str) -> dict[str, Any] | None:
        """The last request at the sandbox whose body has these characters."""
        for entry in reversed(self.sandbox.requests.entries):
            if entry["method"] == "POST" and mark in entry["body"]:
                found: dict[str, Any] = entry
                return found
        return None

    async def tenant_id(self, token: IssuedToken) -> int:
        row = await self.relay.row("SELECT id FROM tenants WHERE name = $1", token.tenant)
        found: int = row["id"]
        return found

    async def written(self, token: IssuedToken) -> tuple[int, int, int]:
        """A tenant's tasks, held micros, and how often Kling was asked to make something."""
        row = await self.relay.row(
            "SELECT (SELECT count(*) FROM tasks WHERE tenant_id = t.id) AS tasks, held_micros"
            " FROM tenants t JOIN accounts a ON a.id = t.account_id WHERE t.name = $1",
            token.tenant,
        )
        posts = sum(one.method == "POST" for one in self.tap.asked)
        return row["tasks"], row["held_micros"], posts


async def set_prices(relay: Relay) -> None:
    """Price what ships without a price, and let the relay see it."""
    async with relay.sessions.begin() as session:
        for name, pack in UNPRICED.items():
            row = PriceRow(endpoint=name, per=Per.TASK, units=Decimal(25), pack=Pack(pack))
            await set_price(session, row)
    relay.read_anew()


@asynccontextmanager
async def open_world(database_url: str) -> AsyncIterator[World]:
    """Start all of it in process; two tenants at list price on one channel."""
    ear = CallbackEar()
    sandbox = Sandbox(
        SandboxSettings(task_seconds=0.3, public_url=SANDBOX_URL, concurrency=500),
        callback_transport=ear,
    )
    tap = Tap(HttpxTransport(httpx.ASGITransport(app=sandbox)))
    async with fixture_relay(database_url, transport=tap, with_callbacks=True) as relay:
        relay.sandbox, ear.app = sandbox, relay.app
        await relay.add_channel()
        acme = await relay.add_tenant("acme", quota_micros=1_000_000_000)
        other = await relay.add_tenant("other", quota_micros=1_000_000_000)
        yield World(relay, tap, ear, acme, other)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=sandbox),
            base_url=SANDBOX_URL,
        ) as client:
            await client.post("/sandbox/reset")  # its timers end with the recording


def data_of(body: bytes) -> Any:
    """Read a reply's `data` for its ids; what is compared are bytes."""
    return json.loads(body).get("data")
