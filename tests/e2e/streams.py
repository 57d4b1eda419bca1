"""Streams of the studio's, as clients read them: server-sent events, and WebSockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

import httpx
import wsproto
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from relay.tenants.tokens import IssuedToken
from tests.relay_app import bearer
from tests.waiting import PATIENCE_S


class Heard(NamedTuple):
    """One block of a stream."""

    event: str | None
    id: str | None
    data: Any
    comment: str | None


class ComeAgain(AssertionError):
    """The relay says that it is away for a moment."""


@contextlib.asynccontextmanager
async def listening(
    http: httpx.AsyncClient, url: str, token: IssuedToken, **headers: str
) -> AsyncIterator[AsyncGenerator[Heard, None]]:
    """Open a stream of events; hang up at the end."""
    sent = bearer(token) | {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.stream("GET", url, headers=sent) as answer:
        if answer.status_code == 503:
            raise ComeAgain(await answer.aread())
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        async with contextlib.aclosing(_blocks(answer)) as blocks:
            yield blocks


async def _blocks(answer: httpx.Response) -> AsyncGenerator[Heard, None]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        data = fields.get("data")
        yield Heard(
            fields.get("event"), fields.get("id"), data and json.loads(data), fields.get("")
        )
        fields = {}


class Socket:
    """A WebSocket by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._texts: list[str] = []
        self.closed: int | None = None
        self.status: int | None = None
        self.refusal = b""

    async def open(self, path: str, token: IssuedToken | None) -> None:
        headers = [] if token is None else [(b"authorization", f"Bearer {token.api_key}".encode())]
        await self._send(Request(host="relay", target=path, extra_headers=headers))
        while self.status is None:
            await self._read()

    async def say(self, **message: object) -> None:
        await self._send(TextMessage(data=json.dumps(message)))

    async def hear(self) -> Any:
        """Wait for the next message; None once it is closed."""
        while not self._texts and self.closed is None:
            await self._read()
        return json.loads(self._texts.pop(0)) if self._texts else None

    async def hear_refusal(self) -> Any:
        while not await self._read():
            pass
        return json.loads(self.refusal)

    async def _read(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            data = await self._reader.read(65536)
        self._protocol.receive_data(data or None)
        for event in self._protocol.events():
            match event:
                case AcceptConnection():
                    self.status = 101
                case RejectConnection():
                    self.status = event.status_code
                case RejectData():
                    self.refusal += event.data
                case TextMessage():
                    self._texts.append(event.data)
                case Ping():
                    await self._send(event.response())
                case CloseConnection():
                    self.closed = event.code
                    with contextlib.suppress(OSError, wsproto.utilities.LocalProtocolError):
                        await self._send(event.response())
                case _:
                    pass
        return not data

    async def _send(self, event: Any) -> None:
        self._writer.write(self._protocol.send(event))
        await self._writer.drain()


@contextlib.asynccontextmanager
async def socket(
    port: int, token: IssuedToken | None = None, path: str = "/api/kling/ws"
) -> AsyncIterator[Socket]:
    """Open a WebSocket; hang up at the end."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), PATIENCE_S)
    try:
        opened = Socket(reader, writer)
        await opened.open(path, token)
        yield opened
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
