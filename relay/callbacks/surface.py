"""Where Kling's callbacks come in. The path is a credential: it is never logged.

An ASGI application of its own beside the tenants' surface.
"""

from urllib.parse import unquote_to_bytes

import msgspec
import structlog
from litestar.types import HTTPScope, Receive, Send

from relay.callbacks.receive import CallbackReceiver, Received, Result
from relay.counts import Counter
from relay.database.faults import is_fault, log_failure
from relay.errors import (
    CallbackForged,
    CallbackNotPosted,
    CallbackUnreadable,
    InternalError,
    Unavailable,
)
from relay.kling.codes import Code
from relay.tasks.callback_path import PREFIX, CallbackTarget

log = structlog.get_logger()

BODY_BYTES_MAX = 4 * 1024 * 1024
SMALL_BYTES = 64 * 1024
"""What a callback of Kling's never comes near; one up to this takes no place."""
LARGE_MAX = 8
"""Larger bodies in memory at a time, of each of the two ways in: 32 MB."""


class _Full(Exception):
    """There is no place for a large body; who sends it should send it again."""


class _Places:
    """Places for large bodies, so that whoever sends many fills no memory but so much.

    The bare path has its own: anybody may send to it, who must not take those of Kling.
    """

    def __init__(self) -> None:
        self._left = LARGE_MAX

    def take(self) -> None:
        if self._left == 0:
            raise _Full
        self._left -= 1

    def give_back(self) -> None:
        self._left += 1


class _Body:
    """A body that arrives, and its place."""

    def __init__(self, places: _Places) -> None:
        self._places = places
        self._has_place = False

    async def read(self, receive: Receive) -> bytes | None:
        """Read it, of one that is too large the beginning; None if it was cut short.

        Raises:
            _Full: it is large.
        """
        body = bytearray()
        while True:
            message = await receive()  # the server's protocol hangs up on a slow sender
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            if not self._has_place and len(body) + len(chunk) > SMALL_BYTES:
                self._places.take()
                self._has_place = True
            body += chunk
            if len(body) > BODY_BYTES_MAX or not message.get("more_body", False):
                return bytes(body[:BODY_BYTES_MAX])

    def release(self) -> None:
        if self._has_place:
            self._places.give_back()


def read_token(raw_path: bytes) -> bytes:
    """Read what follows `/internal/callback`, nothing on the bare path; slashes may be doubled."""
    path = b"/" + b"/".join(filter(None, raw_path.split(b"/")))
    token = path.partition(PREFIX.encode())[2]
    return unquote_to_bytes(token[1:])  # a sender may escape the `~`


class CallbackSurface:
    """Answers Kling quickly; what a callback did is told in the log."""

    def __init__(self, receiver: CallbackReceiver, counter: Counter) -> None:
        self._receiver = receiver
        self._counter = counter
        for result in Result:
            counter.begin(result.value)
        self._of_paths, self._of_signed = _Places(), _Places()

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            received = await self._receive(scope, receive)
        except Exception as error:  # noqa: BLE001 (told in the log)
            # Not 200: a sender that retries should. If it does not, a look finds the same end.
            log_failure(log, "callback.failed", error)
            refused = Unavailable() if is_fault(error) else InternalError()
            received = Received(Result.FAILED, "failed", refusal=refused)
        self._counter.add(received.result.value)
        refusal = received.refusal
        level = log.info if refusal is None else log.warning
        level(
            "callback.received",
            id=received.id,
            status=received.http_status,
            outcome=received.reason,
        )
        code, message = (Code.OK, "SUCCEED") if refusal is None else (refusal.code, refusal.message)
        body = msgspec.json.encode({"code": code, "message": message})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send(
            {"type": "http.response.start", "status": received.http_status, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _receive(self, scope: HTTPScope, receive: Receive) -> Received:
        if scope["method"] != "POST":
            return Received(Result.UNREADABLE, "not a POST", refusal=CallbackNotPosted())
        token = read_token(scope["raw_path"].partition(b"?")[0])
        target = self._receiver.paths.read(token.decode(errors="replace")) if token else None
        # Before its body: whoever has no path must not fill our memory.
        if target is None and (why := await self._why_forged(scope, has_path=bool(token))):
            return Received(Result.FORGED, why, refusal=CallbackForged())
        arriving = _Body(self._of_signed if target is None else self._of_paths)
        try:
            body = await arriving.read(receive)
            if body is None:
                return Received(Result.UNREADABLE, "cut short", refusal=CallbackUnreadable())
            return await self._pass_on(scope, target, body)
        except _Full:
            why = "too many large bodies at once"
            return Received(Result.FAILED, why, refusal=Unavailable())
        finally:
            arriving.release()

    async def _why_forged(self, scope: HTTPScope, *, has_path: bool) -> str | None:
        """Say why nobody has to read it; None if it may be signed."""
        if has_path:
            return "the path was not made by us"
        if not await self._receiver.has_signers():
            return "no channel has a secret to sign with"
        if not any(name == b"webhook-signature" for name, _ in scope["headers"]):
            return "it is not signed"
        return None

    async def _pass_on(
        self, scope: HTTPScope, target: CallbackTarget | None, body: bytes
    ) -> Received:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        client = scope["client"]
        source = client[0] if client else "unknown"
        if target is not None:
            return await self._receiver.receive_on_path(target, headers, body, source=source)
        return await self._receiver.receive_signed(headers, body, source=source)
