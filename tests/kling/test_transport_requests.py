"""What goes out, byte for byte: the same for both transports."""

import hashlib
import tracemalloc
from contextlib import aclosing

import pytest

from relay.kling.transport import JOIN_BYTES_MAX, Body, Transport
from tests.kling.transport_peer import Kind, answer_all, listen
from tests.waiting import PATIENCE_S


async def test_a_post_carries_exactly_these_headers(kind: Kind) -> None:
    """Nothing tells Kling which library or which relay calls, but the agent that was set."""
    async with listen(answer_all) as peer, aclosing(kind(user_agent="agent/1")) as transport:
        await transport.send("POST", f"{peer.url}/v1", bearer="b", body=b"{}", timeout_s=PATIENCE_S)

    (request,) = peer.requests
    assert sorted(request.headers) == [
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Authorization", "Bearer b"),
        ("Content-Length", "2"),
        ("Content-Type", "application/json"),
        ("Host", f"127.0.0.1:{peer.port}"),
        ("User-Agent", "agent/1"),
    ]


@pytest.mark.parametrize(("method", "length"), [("GET", []), ("POST", [("Content-Length", "0")])])
async def test_a_request_without_a_body_names_no_type(
    transport: Transport, method: str, length: list[tuple[str, str]]
) -> None:
    """No Content-Type; a POST says that its body is empty, a GET says nothing of one."""
    async with listen(answer_all) as peer:
        await transport.send(method, peer.url, bearer="b", timeout_s=PATIENCE_S)

    (request,) = peer.requests
    assert [header for header in request.headers if header[0].startswith("Content")] == length
    assert len(request.headers) == 5 + len(length)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/videos/a%2Fb",
        "/v1//videos/../x/",
        "/v1/%7E~%c3%a9?a=%2f&b=+&c=%20&c=1&d",
        "/v1?redirect=http://x/?y",
        "/v1/!$&'()*,;=:@[]",
    ],
)
async def test_a_url_goes_out_as_given(transport: Transport, target: str) -> None:
    """No escape is added, undone or rewritten, no segment resolved: an external id may be odd."""
    async with listen(answer_all) as peer:
        await transport.send("GET", peer.url + target, bearer="b", timeout_s=PATIENCE_S)

    assert peer.requests[0].line == f"GET {target} HTTP/1.1"


BODIES: list[Body] = [
    b'{"x":1e400,"y":"\\u00e9\xff"}',
    [b'{"a":', bytearray(b"1"), memoryview(b",2}")[1:]],
    [],
    b"x" * JOIN_BYTES_MAX,
    b"x" * (JOIN_BYTES_MAX + 1),
    [b"{", memoryview(bytes(range(256)) * 40000), bytearray(b"y" * 10_000_000), b"}"],
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{type(body).__name__}{len(body)}")
async def test_a_body_arrives_byte_for_byte(transport: Transport, body: Body) -> None:
    """One piece or parts, small or 20 MB: the same bytes under their right Content-Length."""
    whole = b"".join([body] if isinstance(body, bytes) else body)
    async with listen(answer_all) as peer:
        await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=PATIENCE_S)

    (request,) = peer.requests
    assert (request.size, request.digest) == (len(whole), hashlib.sha256(whole).digest())
    assert "transfer-encoding" not in {name.lower() for name, _ in request.headers}


async def test_a_large_body_is_not_copied(transport: Transport) -> None:
    """While 20 MB go out, less than 4 MB are allocated, by the peer in this process too."""
    parts: Body = [b"{", memoryview(bytes(20_000_000)), b"}"]
    async with listen(answer_all) as peer:
        await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=PATIENCE_S)
        tracemalloc.start()
        try:
            await transport.send("POST", peer.url, bearer="b", body=parts, timeout_s=PATIENCE_S)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peer.requests[1].size == 20_000_002
    assert peak < 4_000_000
