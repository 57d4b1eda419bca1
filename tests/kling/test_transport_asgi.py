"""httpx over an app in this process, as most tests of the relay use it."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import MaybeSent
from tests.waiting import PATIENCE_S

Message = MutableMapping[str, Any]  # as httpx types ASGI
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def test_httpx_calls_an_app_in_this_process() -> None:
    """Over ASGI the app sees method, path, query, headers and body as a server would."""
    seen: list[object] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        message = await receive()
        headers = dict(scope["headers"])
        seen.extend((scope["method"], scope["path"], scope["query_string"], message["body"]))
        seen.append(headers[b"authorization"])
        await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"[]"})

    async with aclosing(HttpxTransport(httpx.ASGITransport(app))) as transport:
        reply = await transport.send(
            "POST", "http://kling/v1/x?y=%2f", bearer="b", body=[b"{", b"}"], timeout_s=PATIENCE_S
        )

    assert (reply.status, reply.body) == (201, b"[]")
    assert seen == ["POST", "/v1/x", b"y=%2f", b"{}", b"Bearer b"]


async def test_an_app_that_crashes_is_maybe_sent() -> None:
    """Over ASGI the app's own exception stands for a server that died with the request in hand."""

    async def crash(*_: object) -> None:
        raise RuntimeError

    async with aclosing(HttpxTransport(httpx.ASGITransport(crash))) as transport:
        with pytest.raises(MaybeSent):
            await transport.send("GET", "http://kling/v1", bearer="b", timeout_s=PATIENCE_S)
