"""Whoever sends an upload slowly shuts nobody out, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import uvicorn

from relay.proxy.own_assets import OwnAssets
from relay.proxy.upload_places import FOR_OTHERS, IN_ALL_MAX, OF_ACCOUNT_MAX, UploadPlaces
from relay.proxy.upload_surface import UploadSurface
from relay.server.bounded_request import BoundedRequest
from relay.tenants.authenticate import Authenticator
from relay.tenants.tokens import IssuedToken
from tests.assets.kling_files import PICTURE, Keeper
from tests.relay_app import bearer
from tests.waiting import PATIENCE_S, play_slow, wait_until

BEHIND_S = 0.5
LARGE = 10_000_000


@contextlib.asynccontextmanager
async def serving(keeper: Keeper, places: UploadPlaces) -> AsyncIterator[int]:
    """Serve uploads alone, on a port."""
    parts = keeper.relay.parts
    authenticator = Authenticator(parts.store.lines.reads, parts.store.keys)
    surface = UploadSurface(
        authenticator=authenticator,
        uploader=parts.assets.uploader,
        own=OwnAssets(parts.store.sessions, parts.assets.links),
        budget=parts.budget,
        body_limit_bytes=LARGE,
        counts=parts.counts,
        places=places,
    )
    config = uvicorn.Config(
        surface,
        http=BoundedRequest,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(running, PATIENCE_S)
            await authenticator.aclose()


class Slow:
    """A client that sends a byte now and then."""

    def __init__(self, port: int, token: IssuedToken) -> None:
        self._port = port
        self._token = token
        self.status = ""

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = [f"{name}: {value}" for name, value in bearer(self._token).items()]
        start = ["POST /api/assets HTTP/1.1", "Host: r", f"Content-Length: {LARGE}", *head, "", ""]
        writer.write("\r\n".join(start).encode() + PICTURE)
        answer = asyncio.create_task(reader.readline())
        try:
            while not answer.done():
                await play_slow(0.05)
                writer.write(b"\0")
            self.status = (await answer).decode().split(" ")[1]
        finally:
            answer.cancel()
            writer.transport.abort()


async def test_who_sends_slowly_shuts_nobody_out(keeper: Keeper) -> None:
    """Three accounts trickle into four places each, four more into the last: others are served.

    Of an account that has four of them its own slow ones go, nobody else's.
    """
    tokens = [await keeper.add_tenant(f"slow-{nth}") for nth in range(7)]
    other = await keeper.add_tenant("in-a-hurry")
    places = UploadPlaces(behind_s=BEHIND_S)
    async with serving(keeper, places) as port, asyncio.TaskGroup() as group:
        slow = [Slow(port, token) for token in tokens[:3] for _ in range(OF_ACCOUNT_MAX)]
        running = [group.create_task(one.run()) for one in slow]
        await wait_until(lambda: len(places.taken) == IN_ALL_MAX - FOR_OTHERS)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S
        ) as client:

            async def send(token: IssuedToken) -> int:
                answer = await client.post("/api/assets", content=PICTURE, headers=bearer(token))
                return answer.status_code

            assert await send(other) == 200, "there are places for accounts that have none"
            assert not any(one.status for one in slow)

            async def is_late() -> bool:
                return all(place.left_s <= 0 for place in places.taken)

            await wait_until(is_late)
            assert await send(tokens[0]) == 200
            await wait_until(lambda: [one.status for one in slow].count("503") == 1)
            assert sum(one.status == "503" for one in slow[:4]) == 1, "its own"
            more = [Slow(port, token) for token in (tokens[0], *tokens[3:])]
            running += [group.create_task(one.run()) for one in more]
            await wait_until(lambda: len(places.taken) == IN_ALL_MAX)
            await wait_until(is_late)
            assert await send(other) == 200
            await wait_until(lambda: [one.status for one in (*slow, *more)].count("503") == 2)
        for task in running:
            task.cancel()


async def test_who_falls_silent_is_given_up(keeper: Keeper) -> None:
    """Though nobody else wants its place; nothing of it is kept."""
    token = await keeper.add_tenant("silent")
    places = UploadPlaces(silence_s=0.2)
    async with serving(keeper, places) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        [authorization] = bearer(token).values()
        writer.write(
            b"POST /api/assets HTTP/1.1\r\nHost: r\r\nContent-Length: 5000\r\n"
            b"Authorization: %b\r\n\r\n" % authorization.encode() + PICTURE
        )
        assert b"503" in await asyncio.wait_for(reader.readline(), PATIENCE_S)
        writer.transport.abort()
        await wait_until(lambda: not places.taken)
    rows = await keeper.relay.rows(
        "SELECT FROM assets a JOIN tenants n ON n.id = a.tenant_id WHERE n.name = 'silent'"
    )
    assert not rows
