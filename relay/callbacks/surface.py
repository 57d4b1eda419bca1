"""Where Kling's callbacks come in. The path is a credential: it is never logged.

An ASGI application of its own beside the tenants' surface.
"""

from urllib.parse import unquote_to_bytes

import msgspec
import structlog
from litestar.types import HTTPScope, Receive, Send

from relay.callbacks.receive import CallbackReceiver, Received
from relay.database.faults import is_fault, log_failure
from relay.errors import (
    CallbackForged,
    CallbackNotPosted,
    CallbackUnreadable,
    InternalError,
    Unavailable,
)
from relay.kling.codes import Code
from relay.tasks.callback_path import PREFIX

log = structlog.get_logger()

BODY_BYTES_MAX = 4 * 1024 * 1024


def read_token(raw_path: bytes) -> bytes:
    """Read what follows `/internal/callback`, nothing on the bare path; slashes may be doubled."""
    path = b"/" + b"/".join(filter(None, raw_path.split(b"/")))
    token = path.partition(PREFIX.encode())[2]
    return unquote_to_bytes(token[1:])  # a sender may escape the `~`


class CallbackSurface:
    """Answers Kling quickly; what a callback did is told in the log."""

    def __init__(self, receiver: CallbackReceiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            received = await self._receive(scope, receive)
        except Exception as error:  # noqa: BLE001 (told in the log)
            # Not 200: a sender that retries should. If it does not, a look finds the same end.
            log_failure(log, "callback.failed", error)
            refused = Unavailable() if is_fault(error) else InternalError()
            received = Received("failed", refusal=refused)
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
            return Received("not a POST", refusal=CallbackNotPosted())
        token = read_token(scope["raw_path"].partition(b"?")[0])
        target = None
        if token:
            target = self._receiver.paths.read(token.decode(errors="replace"))
            if target is None:
                # Before its body: whoever has no path must not fill our memory.
                return Received("the path was not made by us", refusal=CallbackForged())
        elif not await self._receiver.has_signers():
            return Received("no channel has a secret to sign with", refusal=CallbackForged())
        body = await _read(receive)  # the server's protocol hangs up on a slow sender
        if body is None:
            return Received("cut short", refusal=CallbackUnreadable())
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        client = scope["client"]
        source = client[0] if client else "unknown"
        if target is not None:
            return await self._receiver.receive_on_path(target, headers, body, source=source)
        return await self._receiver.receive_signed(headers, body, source=source)


async def _read(receive: Receive) -> bytes | None:
    """Read a body, of one that is too large the beginning; None if it was cut short."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX or not message.get("more_body", False):
            return bytes(body[:BODY_BYTES_MAX])
