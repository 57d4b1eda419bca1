"""A reply on its way: as it is, as an error, or in the way that faults ask for."""

import asyncio
from dataclasses import dataclass
from typing import Literal, cast

import httpx
from litestar.types import HTTPScope, Receive, Send

from relay.sandbox import envelopes
from relay.sandbox.errors import Refusal
from relay.sandbox.faults import Faults

CLOSE_EXTENSION = "sandbox.close"
"""Key in `scope["extensions"]` of a function that closes the connection, put there by `serve`."""

_JSON = b"application/json; charset=utf-8"
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: all of it, half of the body (`cut`), or nothing (`drop`)."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    ending: Literal["whole", "cut", "drop"] = "whole"


def refused_by(faults: Faults) -> Reply | None:
    """Refuse what nothing but its faults speaks against; None if they do not.

    Raises:
        Refusal: a code of Kling's was asked for.
    """
    code, code200 = faults.code("error"), faults.code("code200")
    if code is not None:
        raise Refusal(code)
    if code200 is not None:
        return Reply(200, envelopes.error(Refusal(code200)))
    if "html refused" in faults:
        return Reply(502, _HTML, b"text/html")
    return None


async def ended_by(faults: Faults, reply: bytes) -> Reply:
    """Answer what was accepted: late, hidden, cut or not at all."""
    await asyncio.sleep(faults.seconds("delay"))
    if "html" in faults:
        return Reply(502, _HTML, b"text/html")
    if "drop" in faults:
        return Reply(200, reply, ending="drop")
    return Reply(200, reply, ending="cut" if "cut" in faults else "whole")


async def receive_body(receive: Receive) -> bytes | None:
    """Collect a body of any size (section 12: 67 MB are legal); None if the caller hung up."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if message["type"] == "http.request":
            chunks.append(message["body"])
            if not message["more_body"]:
                return b"".join(chunks)


async def send_reply(reply: Reply, scope: HTTPScope, receive: Receive, send: Send) -> None:
    if reply.ending != "drop":
        length = str(len(reply.body)).encode()
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(b"content-type", reply.content_type), (b"content-length", length)],
            }
        )
    if reply.ending == "whole":
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})
        return
    if reply.ending == "cut":
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
    extensions = cast("dict[str, object]", scope.get("extensions") or {})
    close = extensions.get(CLOSE_EXTENSION)
    if not callable(close):
        raise httpx.RemoteProtocolError("the sandbox cut this connection, as the prompt asked for")
    close()
    while (await receive())["type"] != "http.disconnect":
        pass  # uvicorn would answer 500 for us if we returned while the connection is up
