"""A tenant's callback server on a real socket: it counts connections and answers as it is told."""

import asyncio
from dataclasses import dataclass
from typing import Self

from tests.waiting import play_slow


@dataclass(frozen=True)
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str | None:
        return self.headers.get("webhook-id")


class TenantServer:
    """`answers` are the heads and bodies of the first posts; later ones are answered 200."""

    def __init__(self, *, answers: tuple[str, ...] = (), host: str = "127.0.0.1") -> None:
        self.connections = 0
        self.posts: list[Post] = []
        self.at_once_max = 0
        self.gate = asyncio.Event()
        """Cleared, posts are taken and not answered."""
        self.gate.set()
        self._at_once = 0
        self._answers = list(answers)
        self._host = host
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def url(self, *, host: str | None = None, path: str = "/hook") -> str:
        return f"http://{host or self._host}:{self.port}{path}"

    def bodies(self) -> list[bytes]:
        return [post.body for post in self.posts]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._take(reader)
            writer.write(f"HTTP/1.1 {answer}".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the sender gave up
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> str:
        start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.posts.append(Post(start.split(" ")[1], headers, body))
        answer = self._answers.pop(0) if self._answers else "200 OK\r\n\r\n"
        self._at_once += 1
        self.at_once_max = max(self.at_once_max, self._at_once)
        try:
            await self.gate.wait()
            await play_slow(0.005)
        finally:
            self._at_once -= 1
        return answer
