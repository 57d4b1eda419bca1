"""Connections to Kling through a proxy, which are tunnels.

It is asked for a tunnel also where the base URL is plain http. Then all that is written comes after
the tunnel stands, and a proxy that refuses, or is not there, has had nothing of the request: what
fails here is `NotSent`. (Asked to forward, a proxy answers in Kling's place, and its own 407 or 502
looks like a word of Kling's.) Names are looked up at the proxy. docs/decisions.md 33.
"""

import asyncio
import socket
from base64 import b64encode

import h11
from aiohappyeyeballs import start_connection
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as SocksDialer

from relay.kling.proxy import Proxy, authority_of
from relay.kling.transport import NotSent

HEAD_BYTES_MAX = 16 * 1024
"""Of a proxy's answer."""
WRONG_PASSWORD = 407
NEVER_S = 86_400.0
"""The pool ends a connect by its own clock."""


async def dial(proxy: Proxy, host: str, port: int) -> socket.socket:
    """Connect to a host through a proxy; whoever calls bounds the time, and closes the socket.

    Raises:
        NotSent: the proxy is not there or refuses; the reason names it.
    """
    try:
        if proxy.scheme == "http":
            return await _tunnel(proxy, host, port)
        dialer = SocksDialer(
            ProxyType.SOCKS5,
            proxy.host,
            proxy.port,
            username=proxy.username,
            password=None if proxy.username is None else proxy.password or "",
            rdns=True,
        )
        return await dialer.connect(host, port, timeout=NEVER_S)
    except ProxyError as error:
        if "authentication" in str(error):  # no number tells it
            raise _wrong_password(proxy) from None
        raise NotSent(f"the proxy {proxy} made no tunnel") from None
    except h11.RemoteProtocolError:
        raise NotSent(f"the proxy {proxy} does not speak HTTP") from None
    except OSError as error:
        raise NotSent(f"the proxy {proxy} cannot be reached: {_said(error)}") from None


async def _tunnel(proxy: Proxy, host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    sock = await start_connection(found, loop=loop)
    try:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        asked = client.send(_connect(proxy, authority_of(host, port))) or b""
        await loop.sock_sendall(sock, asked + (client.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := client.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                client.receive_data(await loop.sock_recv(sock, HEAD_BYTES_MAX))
        _check_made(proxy, event, client)
    except BaseException:
        sock.close()
        raise
    return sock


def _check_made(proxy: Proxy, reply: h11.Response, client: h11.Connection) -> None:
    if reply.status_code == WRONG_PASSWORD:
        raise _wrong_password(proxy)
    # Kling says nothing before it is asked: what comes behind the head is not a tunnel's.
    if reply.status_code // 100 != 2 or client.trailing_data[0]:  # noqa: PLR2004 (2xx)
        raise NotSent(f"the proxy {proxy} made no tunnel (HTTP {reply.status_code})")


def _connect(proxy: Proxy, authority: str) -> h11.Request:
    headers = [("Host", authority)]
    if proxy.username is not None:
        user = b64encode(f"{proxy.username}:{proxy.password or ''}".encode()).decode()
        headers.append(("Proxy-Authorization", f"Basic {user}"))
    return h11.Request(method="CONNECT", target=authority, headers=headers)


def _wrong_password(proxy: Proxy) -> NotSent:
    return NotSent(f"the proxy {proxy} wants another user or password")


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__
