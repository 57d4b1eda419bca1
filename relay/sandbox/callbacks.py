"""Telling a task's owner about every change of its status (docs/kling-api.md 6)."""

import asyncio
import uuid
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from relay.sandbox.envelopes import called_back, encode
from relay.sandbox.ledger import Ledger
from relay.sandbox.new_envelopes import described
from relay.sandbox.tasks import Status, Task

PAUSES_S = (0.3, 1.0)
"""Before the second and the third attempt. Kling's own schedule is undocumented."""

TIMEOUT_S = 5.0
IN_FLIGHT_MAX = 20
"""httpx's pool scans all that is in flight for each request, so more of them is slower."""


def signature_headers(secret: str, *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Sign a callback by Standard Webhooks; `at` must be aware and in UTC."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }


class Callbacks:
    """Sends callbacks in the background; those of one task may overtake each other."""

    def __init__(self, ledger: Ledger, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._ledger = ledger
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._sending: set[asyncio.Task[None]] = set()

    def announce(self, task: Task) -> None:
        """Send the task's present state to its callback_url, as its faults ask for."""
        faults = task.order.faults
        if not task.order.callback_url or "lost callback" in faults:
            return
        is_legacy = task.order.endpoint.generation == "legacy"
        body = called_back(task) if is_legacy else described(task)
        message = (task.status, encode(body))
        if "reverse callbacks" not in faults:
            self._spawn(self._send_all(task, [message]))
            return
        task.held_callbacks.append(message)
        if task.is_ended:
            self._spawn(self._send_all(task, task.held_callbacks[::-1]))

    async def close(self) -> None:
        """Abandon what is being sent; usable again afterwards."""
        sending = list(self._sending)
        for one in sending:
            one.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _spawn(self, sending: Coroutine[object, object, None]) -> None:
        one = asyncio.get_running_loop().create_task(sending)
        self._sending.add(one)  # the loop itself holds tasks weakly
        one.add_done_callback(self._sending.discard)

    async def _send_all(self, task: Task, messages: Sequence[tuple[Status, bytes]]) -> None:
        """Send one after the other, the next when the last was answered or given up."""
        faults = task.order.faults
        await asyncio.sleep(faults.seconds("late callback"))
        copies = 2 if "double callback" in faults else 1
        for status, body in messages:
            message_id = f"msg_{uuid.uuid4().hex}"
            await asyncio.gather(
                *(self._send(task, status, body, message_id) for _ in range(copies))
            )

    async def _send(self, task: Task, status: Status, body: bytes, message_id: str) -> None:
        for attempt, pause in enumerate((*PAUSES_S, None), start=1):
            async with self._in_flight:
                http_status = await self._post(task, body, message_id)
            self._ledger.add(
                "callback",
                task_id=task.id,
                status=status,
                host=_host_of(task.order.callback_url),
                attempt=attempt,
                http_status=http_status,
            )
            if http_status is not None and http_status // 100 == 2:  # noqa: PLR2004  # any 2xx
                return
            if pause is not None:
                await asyncio.sleep(pause)

    async def _post(self, task: Task, body: bytes, message_id: str) -> int | None:
        """Try once; None means that no answer came."""
        headers = {"content-type": "application/json; charset=utf-8"}
        secret = task.account.webhook_secret
        if secret is not None:
            now = datetime.now(UTC)
            headers |= signature_headers(secret, message_id=message_id, at=now, body=body)
        try:
            response = await self._http().post(
                task.order.callback_url, content=body, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return response.status_code

    def _http(self) -> httpx.AsyncClient:
        """Make the client on first use: it belongs to the loop that then runs.

        No kept connections, so that nothing stays open where nobody runs the app's shutdown; no
        proxies from the environment, since receivers are often on loopback.
        """
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=TIMEOUT_S,
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


def _host_of(url: str) -> str:
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return ""
