"""What goes out and what comes back, byte for byte: the same for both transports."""

import asyncio
import datetime as dt
import gzip
import hashlib
import ipaddress
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.kling.aiohttp_transport import AiohttpTransport
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import JOIN_BYTES_MAX, Body, NotSent, Transport
from tests.kling.transport_peer import Connection, Script, answer_all, listen

Message = MutableMapping[str, Any]  # as httpx types ASGI
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Kind = type[AiohttpTransport] | type[HttpxTransport]


@pytest.fixture(params=[AiohttpTransport, HttpxTransport])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
async def transport(kind: Kind) -> AsyncIterator[Transport]:
    async with aclosing(kind()) as made:
        yield made


async def answer(raw: bytes, connection: Connection) -> None:
    while True:
        await connection.receive()
        await connection.answer(raw)


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1 and the certificate it signed for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "peer.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


async def test_a_post_carries_exactly_these_headers(kind: Kind) -> None:
    """Nothing tells Kling which library or which relay calls, but the agent that was set."""
    async with listen(answer_all) as peer, aclosing(kind(user_agent="agent/1")) as transport:
        await transport.send("POST", f"{peer.url}/v1", bearer="b", body=b"{}", timeout_s=5)

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
        await transport.send(method, peer.url, bearer="b", timeout_s=5)

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
        await transport.send("GET", peer.url + target, bearer="b", timeout_s=5)

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
        await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=20)

    (request,) = peer.requests
    assert (request.size, request.digest) == (len(whole), hashlib.sha256(whole).digest())
    assert "transfer-encoding" not in {name.lower() for name, _ in request.headers}


async def test_a_large_body_is_not_copied(transport: Transport) -> None:
    """While 20 MB go out, less than 4 MB are allocated, by the peer in this process too."""
    parts: Body = [b"{", memoryview(bytes(20_000_000)), b"}"]
    async with listen(answer_all) as peer:
        await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=5)
        tracemalloc.start()
        try:
            await transport.send("POST", peer.url, bearer="b", body=parts, timeout_s=30)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peer.requests[1].size == 20_000_002
    assert peak < 4_000_000


async def test_a_large_body_goes_out_over_tls(
    kind: Kind, tls_server: tuple[ssl.SSLContext, Path]
) -> None:
    """5 MB in parts arrive whole; the peer's certificate is one that we were told to trust."""
    server, certificate = tls_server
    trusting = ssl.create_default_context(cafile=certificate)
    parts: Body = [b"{", memoryview(bytes(5_000_000)), b"}"]
    async with listen(answer_all, tls=server) as peer, aclosing(kind(tls=trusting)) as transport:
        await transport.send("POST", peer.url, bearer="b", body=parts, timeout_s=20)

    digest = hashlib.sha256(b"{" + bytes(5_000_000) + b"}").digest()
    assert [request.digest for request in peer.requests] == [digest]


async def test_a_certificate_that_is_not_trusted_is_not_sent(
    transport: Transport, tls_server: tuple[ssl.SSLContext, Path]
) -> None:
    """The handshake ends before a byte of HTTP; certificates are checked by default."""
    async with listen(answer_all, tls=tls_server[0]) as peer:
        with pytest.raises(NotSent):
            await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=5)

    assert peer.requests == []


async def test_a_reply_comes_back_as_it_was_sent(transport: Transport) -> None:
    """Status, the two headers we read, and every byte of a body that is no JSON."""
    raw = (
        b"HTTP/1.1 429 Too Many Requests\r\nCONTENT-TYPE: application/json; charset=utf-8\r\n"
        b"Retry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\n\xff\x00{\r\n2\r\n\r\n\r\n0\r\n\r\n"
    )
    async with listen(partial(answer, raw)) as peer:
        reply = await transport.send("GET", peer.url, bearer="b", timeout_s=5)

    assert reply.status == 429
    assert reply.content_type == "application/json; charset=utf-8"
    assert reply.retry_after == "7"
    assert reply.body == b"\xff\x00{\r\n"


async def test_a_compressed_reply_is_not_unpacked(transport: Transport) -> None:
    """We ask for identity; if gzip comes nonetheless, its bytes pass, and no bomb goes off."""
    packed = gzip.compress(b"{}")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    async with listen(partial(answer, head.encode() + packed)) as peer:
        reply = await transport.send("GET", peer.url, bearer="b", timeout_s=5)

    assert reply.body == packed


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_answer(transport: Transport, status: int) -> None:
    """The Location is not asked: it would get our bearer, and a 307 the whole POST again."""
    raw = f"HTTP/1.1 {status} Gone\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    async with listen(partial(answer, raw)) as peer:
        reply = await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=5)

    assert (reply.status, reply.content_type, reply.body) == (status, "", b"")
    assert len(peer.requests) == 1


async def test_cookies_are_not_kept(transport: Transport) -> None:
    """Channels may share a host: one account's cookie must not go out with another's bearer."""
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with listen(partial(answer, raw)) as peer:
        for _ in range(2):
            await transport.send("GET", f"{peer.url}/v1", bearer="b", timeout_s=5)

    names = {name.lower() for request in peer.requests for name, _ in request.headers}
    assert len(peer.requests) == 2
    assert "cookie" not in names


async def test_proxies_of_the_environment_are_ignored(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's HTTP_PROXY must not see what we send."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with listen(answer_all) as peer, aclosing(kind()) as transport:
        reply = await transport.send("GET", peer.url, bearer="b", timeout_s=5)

    assert reply.status == 200


async def test_a_connection_is_kept(transport: Transport) -> None:
    """Ten calls one after the other go out on one connection."""
    async with listen(answer_all) as peer:
        for _ in range(10):
            await transport.send("POST", peer.url, bearer="b", body=b"{}", timeout_s=5)

    assert (peer.connections, len(peer.requests)) == (1, 10)


async def test_more_than_a_hundred_calls_run_at_once() -> None:
    """aiohttp's own limit of 100 is lifted: 150 calls that wait for each other all end."""
    barrier = asyncio.Barrier(150)

    async def answer_together(connection: Connection) -> None:
        await connection.receive()
        await barrier.wait()
        await connection.answer()

    async with listen(answer_together) as peer, aclosing(AiohttpTransport()) as transport:
        calls = (transport.send("GET", peer.url, bearer="b", timeout_s=10) for _ in range(150))
        replies = await asyncio.gather(*calls)

    assert [reply.status for reply in replies] == [200] * 150


async def refuse_unread(connection: Connection) -> None:
    await connection.reader.readuntil(b"\r\n\r\n")
    await connection.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")


async def refuse_and_read_on(connection: Connection) -> None:
    await refuse_unread(connection)
    while await connection.reader.read(1_000_000):
        pass


async def refuse_and_hold(connection: Connection) -> None:
    await refuse_unread(connection)
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        (AiohttpTransport, refuse_and_read_on),
        (HttpxTransport, refuse_and_read_on),
        # httpx reads no reply while it writes: there it times out, MaybeSent, which is safe.
        (AiohttpTransport, refuse_and_hold),
    ],
)
async def test_an_answer_before_the_whole_body_counts(kind: Kind, script: Script) -> None:
    """A 413 in the middle of a 20 MB POST is Kling's verdict."""
    body = [bytes(20_000_000)]
    async with listen(script) as peer, aclosing(kind()) as transport:
        reply = await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=5)

    assert (reply.status, reply.body) == (413, b"{}")


async def test_a_connection_with_half_a_body_is_not_used_again() -> None:
    """After an early answer the next head would stand in the middle of the body before."""
    body = [bytes(20_000_000)]
    async with listen(refuse_and_hold) as peer, aclosing(AiohttpTransport()) as transport:
        for _ in range(2):
            await transport.send("POST", peer.url, bearer="b", body=body, timeout_s=5)

    assert peer.connections == 2


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
            "POST", "http://kling/v1/x?y=%2f", bearer="b", body=[b"{", b"}"], timeout_s=5
        )

    assert (reply.status, reply.body) == (201, b"[]")
    assert seen == ["POST", "/v1/x", b"y=%2f", b"{}", b"Bearer b"]
