"""The bytes of a video through the relay, on sockets: whole, in part, and within bounds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import relay.sandbox
from relay.results.passing import EACH_MAX
from tests.e2e.world import World
from tests.relay_app import bearer
from tests.waiting import PATIENCE_S, wait_until

CLIP = {"model": "kling-v3", "prompt": "a paper boat", "duration": 5}
VIDEO = (Path(relay.sandbox.__file__).parent / "media" / "clip.mp4").read_bytes()


class Host:
    """Where files lie, of which most cannot be had."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.reading = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        self.asked.append(path)
        self.reading += 1
        with contextlib.suppress(OSError):
            match path:
                case "/endless":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
                    while True:
                        writer.write(b"\0" * 65536)
                        await writer.drain()
                case "/short":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")
                case "/elsewhere":
                    writer.write(
                        b"HTTP/1.1 302 Found\r\nLocation: %b/secret\r\n\r\n" % self.url.encode()
                    )
                case _:
                    writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n<Error>AccessDenied</Error>")
            await writer.drain()
        self.reading -= 1
        writer.close()


@contextlib.asynccontextmanager
async def open_host() -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield host


class Reader:
    """A tenant with one task, whose file can be said to lie elsewhere."""

    def __init__(self, world: World, head: dict[str, str]) -> None:
        self._world = world
        self._head = head
        self._lies_at = self._path = ""
        self._begun: list[AsyncIterator[bytes]] = []

    async def make(self) -> None:
        videos = f"{self._world.url}/v1/videos"
        made = await self._world.http.post(videos, headers=self._head, json=CLIP)
        self._path = f"{videos}/{made.json()['id']}"

        async def url() -> Any:
            seen = (await self._world.http.get(self._path, headers=self._head)).json()
            return seen.get("metadata", {}).get("url")

        self._lies_at = await wait_until(url)

    async def ask(self, method: str = "GET", **more: str) -> httpx.Response:
        url = f"{self._path}/content"
        return await self._world.http.request(method, url, headers=self._head | more)

    async def begin(self, streams: contextlib.AsyncExitStack) -> None:
        """Ask, and read no more than the first piece."""
        client = await streams.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S)
        )
        stream = client.stream("GET", f"{self._path}/content", headers=self._head)
        pieces = (await streams.enter_async_context(stream)).aiter_raw()
        self._begun.append(pieces)  # let go, it would hang up
        async with asyncio.timeout(PATIENCE_S):
            await anext(pieces)

    async def say_that_it_lies_at(self, url: str, channel_id: int) -> None:
        moved = "UPDATE tasks SET reply = replace(reply, $1, $2), channel_id = $3"
        await self._world.rows(moved, self._lies_at, url, channel_id)
        self._lies_at = url


async def test_a_video_is_passed_on_from_where_kling_has_it(world: World) -> None:
    """Whole, in part and its head alone, to nobody but its tenant."""
    reader = Reader(world, bearer(await world.add_tenant()))
    await world.add_channel(base_url=world.kling_url)
    async with world.started_relay(new_api_paths=True):
        await reader.make()
        whole, alone = await reader.ask(), await reader.ask("HEAD")
        part, beyond = await reader.ask(range="bytes=4-7"), await reader.ask(range="bytes=9999999-")
        stranger = await reader.ask(Authorization="Bearer sk-nobody")

        assert (whole.status_code, whole.content) == (200, VIDEO)
        assert whole.headers["content-type"] == "video/mp4"
        assert int(whole.headers["content-length"]) == len(VIDEO)
        assert (part.status_code, part.content) == (206, VIDEO[4:8])
        assert part.headers["content-range"] == f"bytes 4-7/{len(VIDEO)}"
        assert (alone.status_code, alone.content) == (200, b"")
        assert alone.headers["content-length"] == whole.headers["content-length"]
        assert (beyond.status_code, stranger.status_code) == (416, 401)


async def test_what_cannot_be_had_is_said_and_nothing_else_is_dialled(world: World) -> None:
    """Gone, led elsewhere, broken off, no host of Kling's; and no more at once than is allowed."""
    reader = Reader(world, bearer(await world.add_tenant()))
    await world.add_channel(base_url=world.kling_url)
    async with open_host() as host, world.started_relay(new_api_paths=True) as process:
        other = await world.add_channel("other", base_url=host.url, priority=-1)
        real = await world.add_channel("real", base_url=host.url, priority=-1, is_sandbox=False)
        await reader.make()

        async def answer(url: str, channel_id: int = other) -> httpx.Response:
            await reader.say_that_it_lies_at(url, channel_id)
            return await reader.ask()

        gone, led = await answer(f"{host.url}/gone"), await answer(f"{host.url}/elsewhere")
        with pytest.raises(httpx.RemoteProtocolError):
            await answer(f"{host.url}/short")
        private = await answer(f"{host.url}/private", real)

        assert (gone.status_code, led.status_code) == (404, 502)
        assert "30 days" in gone.json()["error"]["message"]
        assert led.json()["error"]["type"] == "server_error"
        assert (private.status_code, private.headers["location"]) == (302, f"{host.url}/private")
        assert not {"/secret", "/private"} & set(host.asked)
        await process.logged("content.broken_off")

        await reader.say_that_it_lies_at(f"{host.url}/endless", other)
        async with contextlib.AsyncExitStack() as streams:
            for _ in range(EACH_MAX):
                await reader.begin(streams)
            async with asyncio.timeout(PATIENCE_S):
                busy = await reader.ask()
            assert host.reading >= EACH_MAX
            assert (busy.status_code, busy.headers["retry-after"]) == (429, "5")

        async def nobody_reads() -> bool:
            return host.reading == 0

        await wait_until(nobody_reads)
