"""What an application is told and a client gets is what uvicorn's own protocol makes of it.

Thousands of requests in all spellings, cut at random places, are fed to both.
"""

import asyncio
import random
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from relay.server.bounded_request import BoundedRequest
from relay.server.exchange import CONTINUE

CONNECTIONS = 3000
REQUESTS_MAX = 4
PATHS = (
    *("/", "//", "/v1/videos/text2video", "/a%2Fb%20c", "/%zz%", "/a?x=1&y=%26", "/?", "/a#b?c"),
    *(
        "http://elsewhere.example/a/b?c=d",
        "*",
        "/;a=b",
        "/ünï",
        "/a?b?c",
        "http://[::1]:9/x",
        "/~a",
    ),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "GET", "POST")
HEADERS = (
    *("Authorization: Bearer abc", "authorization:Bearer x", "X-Two: a", "X-Two: b", "X-Empty:"),
    *("X-Forwarded-For: 10.1.2.3", "x-forwarded-for: 10.0.0.1, 127.0.0.1:80", "Accept: a\tb"),
    *("X-Forwarded-Proto: https", "X-Forwarded-Proto: gopher", "Connection: keep-alive", "x-y: é"),
    *("Connection: close", "Expect: 100-continue", "Upgrade: h2c"),
    *("Broken", "Bad Name: x", "X-Forwarded-Host: h", "Content-Length: 3", "Content-Length: x"),
)

Seen = list[dict[str, Any]]
Outcome = tuple[Seen, bytes, bool, int, int]
TRAILER = (b"x-trailer", b"t")
REFUSED = b"HTTP/1.1 400 Bad Request\r\n"


def made(chance: random.Random) -> bytes:
    """One connection's bytes: some requests, mostly sound ones."""
    return b"".join(request(chance) for _ in range(chance.randint(1, REQUESTS_MAX)))


def request(chance: random.Random) -> bytes:
    method = chance.choice(METHODS)
    version = "1.0" if chance.random() < 0.1 else "1.1"
    lines = [f"{method} {chance.choice(PATHS)} HTTP/{version}", "Host: r"]
    lines += chance.sample(HEADERS[:15], chance.randint(0, 4))
    if chance.random() < 0.1:
        lines.append(chance.choice(HEADERS))
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        content = chance.randbytes(chance.choice((0, 1, 3, 100, 70_000)))
        if chance.random() < 0.3:
            lines.append("Transfer-Encoding: chunked")
            pieces = [content[i : i + 30_000] for i in range(0, len(content), 30_000)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            body += b"0\r\n" + chance.choice((b"", b"X-Trailer: t\r\n")) + b"\r\n"
        else:
            lines.append(f"Content-Length: {len(content)}")
            body = content
    return "\r\n".join([*lines, "", ""]).encode() + body


class Peer:
    """An application that tells what it saw, and answers with it."""

    def __init__(self) -> None:
        self.seen: Seen = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        if scope["method"] in ("POST", "PUT", "PATCH"):
            message = {"more_body": True}
            while message.get("more_body"):
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
        ours = ("server", "client", "extensions")
        told = {name: value for name, value in scope.items() if name not in ours}
        self.seen.append(told | {"host": scope["client"][0], "body": body})
        answer = b"%d %b" % (len(body), scope["raw_path"])
        headers = [(b"content-length", b"%d" % len(answer)), (b"x-request-id", b"a\tb")]
        status = 404 if len(answer) % 2 else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Wire(asyncio.Transport):
    """A connection's server end: keeps what is written until it is closed."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 5000)})
        self.written = b""
        self.is_closed = False
        self.is_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


async def outcome(protocol: type[HttpToolsProtocol], pieces: list[bytes]) -> Outcome:
    """What the application saw, what was written, and whether the connection was closed."""
    peer = Peer()
    config = uvicorn.Config(
        peer.app,
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        forwarded_allow_ips="127.0.0.1",
    )
    config.load()
    state = ServerState()
    wire = Wire()
    connection = protocol(config, state, {})
    connection.connection_made(wire)
    for piece in pieces:
        if not (wire.is_closed or wire.is_paused):
            connection.data_received(piece)
        await settled()
    connection.connection_lost(None)
    await settled()
    return peer.seen, wire.written, wire.is_closed, len(state.tasks), state.total_requests


async def settled() -> None:
    """Let the application do all that it can do."""
    for _ in range(20):
        await asyncio.sleep(0)


def cut(chance: random.Random, data: bytes) -> list[bytes]:
    places = sorted(chance.sample(range(len(data)), min(len(data), chance.randint(0, 5))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


class Mixed(BoundedRequest):
    """Half of the paths are pages."""

    @staticmethod
    def is_page(raw_path: bytes) -> bool:
        return len(raw_path) % 2 == 0


@pytest.mark.parametrize("protocol", [BoundedRequest, Mixed])
async def test_scopes_bodies_and_answers_are_uvicorns(protocol: type[BoundedRequest]) -> None:
    """Proxies' headers, absolute paths, HTTP/1.0, pipelines, chunks, trailers and nonsense too."""
    chance = random.Random(7)
    seen = 0
    for _ in range(CONNECTIONS):
        pieces = cut(chance, made(chance))
        expected = await outcome(HttpToolsProtocol, pieces)
        found = await outcome(protocol, pieces)
        for scope in expected[0]:  # uvicorn's list of headers has trailers too, if they came soon
            scope["headers"] = [pair for pair in scope["headers"] if pair != TRAILER]
        if REFUSED in expected[1]:
            assert_refused_last(found, expected)
        else:
            assert found == expected, pieces
        seen += len(found[0])
    assert seen > CONNECTIONS


def assert_refused_last(found: Outcome, expected: Outcome) -> None:
    """Ours answers what arrived whole first, unless an answer is the connection's last one."""
    seen, written, *rest = found
    assert seen[: len(expected[0])] == expected[0]
    answers = expected[1].partition(REFUSED)[0]
    assert written.startswith(answers)
    is_told = REFUSED in written
    assert is_told or b"connection: close" in written[len(answers) :]
    number = written.count(b"HTTP/1.1 ") - written.count(CONTINUE)
    assert number == len(seen) + is_told
    assert rest[:2] == [True, 0]
