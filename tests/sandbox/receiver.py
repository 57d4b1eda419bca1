"""A tiny real HTTP server that keeps what is posted to it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self

from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class Post:
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


class Receiver:
    """`answers` are the HTTP statuses of the first posts; every later one is answered 200."""

    def __init__(self, *, answers: tuple[int, ...] = ()) -> None:
        self.posts: list[Post] = []
        self._answers = list(answers)
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def wait(self, count: int) -> list[Post]:
        """Wait until `count` posts have come."""
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(lambda: len(self.posts) >= count)
        return self.posts

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        status = self._answers.pop(0) if self._answers else 200
        writer.write(f"HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with self._arrived:
            self.posts.append(Post(headers, body))
            self._arrived.notify_all()
