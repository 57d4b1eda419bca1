"""Through a proxy: what it refuses or breaks before the tunnel stands was not sent."""

import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from relay.kling.http1_transport import Http1Transport
from relay.kling.proxy import Proxy, read_proxy
from relay.kling.transport import MaybeSent, NotSent, Reply
from tests.kling.proxy_peer import ProxyPeer, listen_as_proxy
from tests.kling.transport_peer import Peer, answer_all, listen, post
from tests.waiting import PATIENCE_S

USER = ("relay", "p@ss:word/1")


@pytest.fixture
async def proxy() -> AsyncIterator[ProxyPeer]:
    async with listen_as_proxy() as peer:
        yield peer


@pytest.fixture
async def kling() -> AsyncIterator[Peer]:
    async with listen(answer_all) as peer:
        yield peer


async def sent(through: Proxy, url: str, *, connect_timeout_s: float = PATIENCE_S) -> Reply:
    made = Http1Transport(proxy=through, connect_timeout_s=connect_timeout_s)
    async with aclosing(made) as transport:
        return await post(transport, url)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_takes_the_user_that_it_knows_and_no_other(
    proxy: ProxyPeer, kling: Peer, scheme: str
) -> None:
    """A wrong password is told of as the proxy's, and repeated nowhere; names go to the proxy."""
    proxy.user = USER
    named = kling.url.replace("127.0.0.1", "localhost")

    reply = await sent(proxy.proxy(scheme, *USER), named)
    refusals = []
    for user in (("relay", "wr0ng"), ("relay", None), (None, None)):
        with pytest.raises(NotSent) as caught:
            await sent(proxy.proxy(scheme, *user), kling.url)
        refusals.append(caught.value.reason)

    assert reply.status == 200
    assert proxy.asked == [f"localhost:{kling.port}"]
    assert (proxy.tunnels, len(kling.requests)) == (1, 1)
    told = f"the proxy {scheme}://relay@127.0.0.1:{proxy.port} wants another user or password"
    assert refusals == [told, told, told.replace("relay@", "")]
    assert "wr0ng" not in "".join(refusals)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"], "made no tunnel (HTTP 403)"),
        ([b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"], "made no tunnel (HTTP 200)"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "does not speak HTTP"),
        ([b"HTTP/1.1 200 OK\r\nX: ", b"x" * 20_000], "does not speak HTTP"),
        ([b"HTTP/1.1 200"], "does not speak HTTP"),
        ([b""], "does not speak HTTP"),
    ],
    ids=["refuses", "says too much", "is none", "is endless", "breaks off", "says nothing"],
)
async def test_a_proxy_that_makes_no_tunnel_had_nothing_of_the_request(
    proxy: ProxyPeer, kling: Peer, answers: list[bytes], told: str
) -> None:
    """Whatever it answers to CONNECT: another channel may be tried."""
    proxy.answers = answers

    with pytest.raises(NotSent, match=r"^the proxy http://127") as caught:
        await sent(proxy.proxy("http"), kling.url)

    assert told in caught.value.reason
    assert kling.connections == 0


async def test_a_proxy_may_take_its_time_and_say_more(proxy: ProxyPeer, kling: Peer) -> None:
    """Its answer in pieces, with headers and after a 100: nothing of it is taken for Kling's."""
    proxy.made = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection est",
        b"ablished\r\nVia: 1.1 proxy\r\n",
        b"\r\n",
    )

    assert (await sent(proxy.proxy("http"), kling.url)).body == b"{}"


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_away_or_silent_is_not_waited_for_long(
    proxy: ProxyPeer, kling: Peer, scheme: str
) -> None:
    """As long as a connection may take, not as long as the call may."""
    away = Proxy(scheme, "127.0.0.1", 1)
    proxy.is_deaf = True

    with pytest.raises(NotSent, match=f"^the proxy {scheme}://127.0.0.1:1 cannot be reached"):
        await sent(away, kling.url)
    with pytest.raises(NotSent, match=f"TimeoutError through the proxy {scheme}"):
        await sent(proxy.proxy(scheme), kling.url, connect_timeout_s=0.2)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_drops_the_request_leaves_it_in_doubt(
    proxy: ProxyPeer, kling: Peer, scheme: str
) -> None:
    """Once bytes went into the tunnel: whether Kling has got them, nobody here knows."""
    proxy.passes = lambda _: None

    with pytest.raises(MaybeSent):
        await sent(proxy.proxy(scheme), kling.url)

    assert (proxy.tunnels, kling.requests) == (1, [])


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_kling_is_known_by_its_certificate_behind_a_proxy_too(
    proxy: ProxyPeer, tls_server: tuple[ssl.SSLContext, Path], scheme: str
) -> None:
    """By a CA file of one's own; untrusted, or dropped while it greets, nothing was sent."""
    server, certificate = tls_server
    through = proxy.proxy(scheme)
    trusting = Http1Transport(proxy=through, tls=ssl.create_default_context(cafile=certificate))

    async with listen(answer_all, tls=server) as peer:
        async with aclosing(trusting) as transport:
            reply = await post(transport, peer.url)
        with pytest.raises(NotSent, match="SSLCertVerificationError"):
            await sent(through, peer.url)
        proxy.passes = lambda _: None
        with pytest.raises(NotSent):
            await sent(through, peer.url)

    assert reply.status == 200
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://10.0.0.1:8080", Proxy("http", "10.0.0.1", 8080)),
        ("http://proxy.lan/", Proxy("http", "proxy.lan", 3128)),
        ("socks5://proxy.lan", Proxy("socks5", "proxy.lan", 1080)),
        ("socks5://me:p%40ss%3A%2F@[::1]:9", Proxy("socks5", "::1", 9, "me", "p@ss:/")),
        ("http://me@proxy.lan", Proxy("http", "proxy.lan", 3128, "me")),
    ],
)
def test_a_proxy_is_read_from_its_url(url: str, read: Proxy) -> None:
    """And again from how it is kept, which is without the password."""
    found = read_proxy(url)

    assert found == read
    assert read_proxy(str(found)) == msgspec.structs.replace(found, password=None)
    assert "p@ss" not in f"{found} {found!r}"
    assert "p%40ss" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.lan:1",
        "proxy.lan:3128",
        "http://",
        "http://me:hush/1@proxy.lan",
        "http://me:hu#sh@proxy.lan",
        "http://me:hush@proxy.lan:port",
        "http://me:h%0Aush@proxy.lan",
        "http://a%3Ab:hush@proxy.lan",
        "http://proxy.lan/path",
    ],
)
def test_what_is_no_proxy_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^its? ") as caught:
        read_proxy(url)

    assert "hu" not in str(caught.value)
