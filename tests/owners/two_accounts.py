"""Two Kling accounts in one sandbox, and which of them the relay asked for what."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import jwt

from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Body, NotSent, Reply
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.edit import set_price
from relay.sandbox.app import Sandbox
from relay.sandbox.settings import Account, SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.relay_app import SANDBOX_URL, Relay, bearer, fixture_relay
from tests.waiting import wait_until

ONE = Account(access_key="one", secret_key="one-secret-" + "1" * 32, api_key="key-one")
TWO = Account(access_key="two", secret_key="two-secret-" + "2" * 32, api_key="key-two")
NAMES = {"key-one": "one", "key-two": "two"}
URL = "https://example.com/a.png"
ELEMENT = {
    "element_name": "fox",
    "element_description": "a red fox",
    "reference_type": "image_refer",
    "element_image_list": {"frontal_image": URL, "refer_images": [{"image_url": URL}]},
}
VOICE = {"voice_name": "mine", "voice_url": "https://example.com/a.mp3"}
TTS = {"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"}


class Asked(NamedTuple):
    account: str
    method: str
    path: str
    body: bytes


class Steered:
    """A transport to a sandbox that keeps what was asked, and turns creates away from accounts."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(
            SandboxSettings(
                accounts=(ONE, TWO), task_seconds=0.05, public_url=SANDBOX_URL, concurrency=1000
            )
        )
        asgi = httpx.ASGITransport(app=self.sandbox)
        self._kling = HttpxTransport(asgi)
        self.asked: list[Asked] = []
        self.down: set[str] = set()
        """Accounts that nothing can be sent to with POST."""
        self.fault = ""
        """What goes wrong at the sandbox with each POST."""

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        account = NAMES.get(bearer) or str(
            jwt.decode(bearer, options={"verify_signature": False})["iss"]
        )
        content = body if isinstance(body, bytes) else b"".join(body or ())
        if method == "POST" and account in self.down:
            raise NotSent("ConnectError")
        self.asked.append(Asked(account, method, url.removeprefix(SANDBOX_URL), content))
        if method == "POST" and self.fault:
            url += f"?sandbox_fault={quote(self.fault)}"
        return await self._kling.send(method, url, bearer=bearer, body=body, timeout_s=timeout_s)

    async def aclose(self) -> None:
        await self._kling.aclose()

    @property
    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]


class Shop:
    """A relay before both accounts; channel `one` is asked first."""

    def __init__(self, relay: Relay, kling: Steered, channels: dict[str, int]) -> None:
        self.relay = relay
        self.kling = kling
        self.channels = channels
        self._tenants = 0

    async def tenant(self, *, quota_micros: int = 1_000_000_000) -> IssuedToken:
        self._tenants += 1
        return await self.relay.add_tenant(f"t{self._tenants}", quota_micros=quota_micros)

    async def post(self, token: IssuedToken, path: str, body: Any, *, on: str = "") -> Any:
        """POST; `on` is the one account that takes it, unless what it names decides."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        self.kling.down = {"one", "two"} - {on} if on else set()
        try:
            return await self.relay.client.post(path, headers=bearer(token), **content)
        finally:
            self.kling.down = set()

    async def made(
        self, token: IssuedToken, path: str, body: dict[str, Any], *, on: str = "one"
    ) -> Any:
        """What a task on that account made, as the tenant sees it at its end."""
        response = await self.post(token, path, body, on=on)
        assert response.status_code == 200, response.text
        return await self.ended(token, path, response.json()["data"]["task_id"])

    async def ended(self, token: IssuedToken, path: str, task_id: str) -> Any:
        async def end() -> Any:
            data = (await self.relay.get(token, task_id, path=path)).json()["data"]
            return data if data["task_status"] in ("succeed", "failed") else None

        return await wait_until(end)

    async def video(self, token: IssuedToken, *, on: str = "one") -> str:
        body = {"model_name": "kling-v1", "prompt": "a fox", "duration": "5"}
        data = await self.made(token, "/v1/videos/text2video", body, on=on)
        return str(data["task_result"]["videos"][0]["id"])

    async def element(self, token: IssuedToken, *, on: str = "one") -> int:
        data = await self.made(token, "/v1/general/advanced-custom-elements", ELEMENT, on=on)
        return int(data["task_result"]["elements"][0]["element_id"])

    async def voice(self, token: IssuedToken, *, on: str = "one") -> str:
        data = await self.made(token, "/v1/general/custom-voices", VOICE, on=on)
        return str(data["task_result"]["voices"][0]["voice_id"])

    async def claim(
        self, token: IssuedToken, kind: str, name: str, *, on: str = "one", more: str = "NULL"
    ) -> None:
        """A row of `owners` as the operator claims it; `more` is when it expires, in SQL."""
        await self.relay.rows(
            "INSERT INTO owners (kind, resource_id, channel_id, tenant_id, expires_at)"
            f" SELECT $1, $2, $3, id, {more} FROM tenants WHERE name = $4",
            kind,
            name,
            self.channels[on],
            token.tenant,
        )

    async def written(self) -> tuple[int, int, int]:
        """How many tasks and entries there are, and what is held."""
        row = await self.relay.row(
            "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM entries),"
            " (SELECT sum(held_micros) FROM accounts)::bigint"
        )
        return tuple(row)

    async def check_books(self) -> None:
        report = await self.relay.audit()
        assert report.ok, report.differences


@asynccontextmanager
async def open_shop(database_url: str) -> AsyncIterator[Shop]:
    """Everything has a price: whatever has no row costs 10 units."""
    kling = Steered()
    async with fixture_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=0.0
    ) as relay:
        channels = {
            "one": await relay.add_channel("one", account=ONE, priority=2),
            "two": await relay.add_channel("two", account=TWO, priority=1),
        }
        async with relay.sessions.begin() as session:
            await set_price(
                session,
                PriceRow(endpoint="*", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=1_000_000),
            )
        yield Shop(relay, kling, channels)
        asgi = httpx.ASGITransport(app=kling.sandbox)
        async with httpx.AsyncClient(transport=asgi, base_url=SANDBOX_URL) as client:
            await client.post("/sandbox/reset")


def kling_error(response: httpx.Response) -> tuple[int, int]:
    """Status and code of a refusal in Kling's shape."""
    body = json.loads(response.content)
    assert set(body) == {"code", "message", "request_id"}, body
    return response.status_code, body["code"]
