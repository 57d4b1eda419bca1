"""On sockets: Litestar's pages stream through our protocol, and its bounds hold for them too."""

import asyncio
import gc
import hashlib
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from relay.server.bounded_request import BoundedRequest
from tests.server.peer import KEEP_ALIVE_S, Client, until_gone
from tests.server.streaming import PIECE, PIECES, Served, serving
from tests.server.test_as_uvicorn import Wire
from tests.waiting import PATIENCE_S, play_slow, settle_for, wait_until

SOCKETS_HOLD = 2 * 1024 * 1024
"""At most, of both sides on loopback, what nobody has read."""
LARGE_SHA = hashlib.sha256(PIECE * PIECES).hexdigest()


async def piece(client: Client) -> bytes:
    """One piece of a chunked body; b"" is its end."""
    async with asyncio.timeout(PATIENCE_S):
        size = int(await client.reader.readline(), 16)
        return (await client.reader.readexactly(size + 2))[:-2]


async def whole(client: Client) -> bytes:
    pieces = []
    while found := await piece(client):
        pieces.append(found)
    return b"".join(pieces)


async def first_event(served: Served, client: Client) -> None:
    """Ask for events, and read one: its generator has begun."""
    client.ask("/events")
    await client.head()
    await served.told.to_send.put("first")
    assert await piece(client) == b"data: first\r\n\r\n"


async def test_each_event_arrives_when_it_happens() -> None:
    """In a piece of its own; the head comes before there is any."""
    async with serving() as served, served.connected() as client:
        client.ask("/events")
        head = await client.head()
        arrived = []
        for text in ("first", "second", "third"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.reader.readexactly(1), 0.02)
            await served.told.to_send.put(text)
            arrived.append(await piece(client))

    assert b"content-type: text/event-stream" in head
    assert b"transfer-encoding: chunked" in head
    assert arrived == [b"data: first\r\n\r\n", b"data: second\r\n\r\n", b"data: third\r\n\r\n"]


@pytest.mark.parametrize("behind", ["", "/plain", "/events"])
@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_client_that_hangs_up_ends_the_events(behind: str, *, is_reset: bool) -> None:
    """Also while none comes; with a request behind, at the next write that fails, as none reads."""
    async with serving() as served, served.connected() as client:
        await first_event(served, client)
        if behind:
            client.ask(behind)
            (protocol,) = served.protocols
            await wait_until(lambda: protocol.flow.read_paused)
        if is_reset:
            client.reset()
        else:
            client.writer.close()
        for _ in range((1 if is_reset else 2) if behind else 0):
            await served.told.to_send.put("is anybody there?")
            await settle_for(0.05, because="the client's goodbye is on its way")

        await wait_until(lambda: served.told.ended)
        await wait_until(lambda: not served.protocols[0].tasks)

    assert served.told.ended == ["events"]


async def test_a_client_that_hangs_up_ends_a_large_page() -> None:
    """Its generator is closed in the middle; not by the garbage collector, which runs rarely."""
    gc.collect()
    gc.disable()
    try:
        async with serving() as served:
            async with served.connected() as client:
                client.ask("/large")
                await client.head()
                await piece(client)

            await wait_until(lambda: served.told.ended)
    finally:
        gc.enable()

    assert served.told.ended == ["large"]
    assert served.told.pieces < PIECES


async def test_a_client_that_half_closes_gets_no_more_of_a_stream() -> None:
    """What was written arrives; whoever says that it asks no more has gone, as elsewhere."""
    async with serving() as served, served.connected() as client:
        client.ask("/large")
        await client.head()
        client.writer.write_eof()
        await wait_until(served.protocols[0].transport.is_closing)
        rest = await client.rest()
        await wait_until(lambda: served.told.ended)

    assert PIECE in rest
    assert not rest.endswith(b"0\r\n\r\n")
    assert served.told.pieces < PIECES


async def test_a_large_page_takes_no_memory_when_its_client_is_slow() -> None:
    """Of 50 MB, what the sockets hold is made while nothing is read; all of it arrives."""
    async with serving() as served, served.connected() as client:
        client.ask("/large")
        await client.head()
        await settle_for(0.3, because="more would be made by then")
        made_unread = served.told.pieces
        (protocol,) = served.protocols
        buffered: list[int] = []
        digest = hashlib.sha256()
        while found := await piece(client):
            digest.update(found)
            buffered.append(protocol.transport.get_write_buffer_size())

    assert made_unread * len(PIECE) < SOCKETS_HOLD
    assert max(buffered) < 3 * len(PIECE)
    assert digest.hexdigest() == LARGE_SHA
    assert served.told.ended == ["large"]


async def test_a_client_that_stops_reading_a_stream_is_let_go() -> None:
    """After the time in which not one byte left; its generator is closed."""
    async with serving(unread_s=0.2) as served, served.connected() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a duplex one
        client.ask("/large")
        await wait_until(lambda: served.protocols)

        await until_gone(served.protocols[0])
        await wait_until(lambda: served.told.ended)

    assert served.told.pieces < PIECES


async def test_a_client_that_reads_slowly_is_kept() -> None:
    """One piece of 8 MB leaves for three times as long as none of it may."""
    async with serving(unread_s=1.0) as served, served.connected() as client:
        client.ask("/in-one-piece")
        await client.head()
        await client.reader.readline()
        for _ in range(32):
            await play_slow(0.1)
            await client.reader.readexactly(256 * 1024)
        await client.reader.readexactly(2)

        assert [await piece(client), await piece(client)] == [b"y", b""]


async def test_a_request_behind_a_stream_is_answered_behind_it() -> None:
    """One of Kling's paths, and another page behind that; the connection is kept."""
    async with serving() as served, served.connected() as client:
        client.ask("/large")
        client.ask("/plain")
        client.ask("/file-that-is-not")
        client.ask("/plain", "Connection: close\r\n")

        await client.head()
        large = await whole(client)
        plain = await client.answer()
        missing = await client.answer()
        rest = await client.rest()

    assert hashlib.sha256(large).hexdigest() == LARGE_SHA
    assert plain == b"plain"
    assert b"Not Found" in missing
    assert rest.endswith(b"\r\n\r\nplain")


async def test_a_stream_waits_for_the_answers_before_it() -> None:
    """Two streams and an answer of Kling's kind in one write, each whole before the next."""
    async with serving() as served, served.connected() as client:
        for path in ("/plain", "/large", "/in-one-piece"):
            client.ask(path)

        plain = await client.answer()
        await client.head()
        large = await whole(client)
        await client.head()
        one = await whole(client)

    assert plain == b"plain"
    assert hashlib.sha256(large).hexdigest() == LARGE_SHA
    assert one == b"x" * 8 * 1024 * 1024 + b"y"


@pytest.mark.parametrize("path", ["/large", "/events"])
async def test_http_1_0_gets_a_stream_without_pieces(path: str) -> None:
    """It knows no chunks: the body's end is the connection's."""
    async with serving() as served, served.connected() as client:
        client.writer.write(b"GET %b HTTP/1.0\r\n\r\n" % path.encode())
        head = await client.head()
        text = b""
        if path == "/events":
            await served.told.to_send.put("first")
            text = await client.reader.readexactly(15)
            served.told.stopping.set()
        text += await client.rest()

    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"\r\nconnection: close\r\n" in head
    if path == "/large":
        assert hashlib.sha256(text).hexdigest() == LARGE_SHA
    else:
        assert text == b"data: first\r\n\r\n"


async def test_http_1_0_gets_a_known_length_with_its_length() -> None:
    """As from an application that says it: only an unknown one ends with the connection."""
    async with serving() as served, served.connected() as client:
        client.writer.write(b"GET /nothing-here HTTP/1.0\r\n\r\n")
        head = await client.head()
        text = await client.rest()

    assert b"\r\ncontent-length: %d\r\n" % len(text) in head


async def test_head_of_a_page_has_no_body() -> None:
    """405, as Litestar says to HEAD of what has only a GET; the next answer is in its place."""
    async with serving() as served, served.connected() as client:
        client.ask("/large", method="HEAD")
        client.ask("/plain")
        head = await client.head()
        following = await client.answer()

    assert head.startswith(b"HTTP/1.1 405 ")
    assert following == b"plain"
    assert served.told.pieces == 0


async def test_a_page_reads_its_body() -> None:
    """In pieces and after 100 Continue; larger than what is read ahead."""
    async with serving() as served, served.connected() as client:
        client.ask("/body", "Content-Length: 300000\r\nExpect: 100-continue\r\n", method="POST")
        asked = await client.head()
        for _ in range(3):
            client.writer.write(b"x" * 100_000)
            await client.writer.drain()
            await play_slow(0.01)

        answer = await client.answer()

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer == b"300000"


async def test_a_page_that_fails_before_its_head_is_a_500() -> None:
    """Litestar's own; the connection is kept."""
    async with serving() as served, served.connected() as client:
        client.ask("/fails")
        client.ask("/plain")
        head = await client.head()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await client.reader.readexactly(length)

        assert head.startswith(b"HTTP/1.1 500 ")
        assert await client.answer() == b"plain"


async def test_a_stream_that_fails_does_not_look_whole() -> None:
    """The connection closes without the piece that says that it is the last."""
    async with serving() as served, served.connected() as client:
        client.ask("/breaks")
        await client.head()

        assert await client.rest() == b"5\r\nfirst\r\n"


class Unread(Wire):
    """Takes what is written behind its close, as uvloop's does while its client reads."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data


async def test_a_page_says_nothing_behind_a_refusal() -> None:
    """Its body broke off, which it had not read: 400, the end, though it has an answer now."""
    may_answer, wire = asyncio.Event(), Unread()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"too late"})

    class Pages(BoundedRequest):
        @staticmethod
        def is_page(_raw_path: bytes, /) -> bool:
            return True

    config = uvicorn.Config(app, ws="none", interface="asgi3", log_config=None)
    protocol = Pages(config, ServerState(), {})
    protocol.connection_made(wire)
    protocol.data_received(
        b"POST /page HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n"
    )
    refused = wire.written
    may_answer.set()
    await asyncio.wait(protocol.tasks)
    protocol.connection_lost(None)

    assert refused.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert wire.written == refused


async def test_a_stream_is_never_idle() -> None:
    """Nothing is sent for twice as long as a connection may be idle; then it may be, so long."""
    async with serving(keep_alive_s=KEEP_ALIVE_S) as served, served.connected() as client:
        await first_event(served, client)
        await settle_for(2 * KEEP_ALIVE_S, because="an idle connection would be closed by then")
        await served.told.to_send.put("late")
        arrived = await piece(client)
        served.told.stopping.set()
        end = await piece(client)

        rest = await client.rest()

    assert arrived == b"data: late\r\n\r\n"
    assert (end, rest) == (b"", b"")


async def test_ranges_of_a_file_arrive_as_they_were_asked_for(served_file: Served) -> None:
    """By a real client: a part, the rest of a download, the last bytes, and none that there are."""
    async with httpx.AsyncClient(
        base_url=served_file.url, timeout=PATIENCE_S, trust_env=False
    ) as client:
        whole = await client.get("/file")
        part = await client.get("/file", headers={"Range": "bytes=1000-1999"})
        rest = await client.get(
            "/file", headers={"Range": "bytes=900000-", "If-Range": whole.headers["etag"]}
        )
        last = await client.get("/file", headers={"Range": "bytes=-10"})
        beyond = await client.get("/file", headers={"Range": "bytes=1000000-"})
        litestars = await client.get("/whole-file", headers={"Range": "bytes=1000-1999"})

    content = served_file.told.file.read_bytes()
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["accept-ranges"] == "bytes"
    assert (part.status_code, part.content) == (206, content[1000:2000])
    assert part.headers["content-range"] == "bytes 1000-1999/1000000"
    assert (rest.status_code, rest.content) == (206, content[900_000:])
    assert (last.status_code, last.content) == (206, content[-10:])
    assert (beyond.status_code, beyond.content) == (416, b"")
    assert beyond.headers["content-range"] == "bytes */1000000"
    # Litestar's own knows no ranges: should it one day, ours can go.
    assert (litestars.status_code, litestars.content) == (200, content)
