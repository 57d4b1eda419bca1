"""Kling over an HTTP/1.1 client of our own: the hot path, at a sixth of aiohttp's cost.

It is small because it does only what the seam asks: no redirects, cookies, compression,
streaming or HTTP/2. llhttp parses (httptools), aiohappyeyeballs connects, the event loop does TLS.
A kept connection costs a call one write and one future; no task and no timer. docs/decisions.md 16
has the numbers; tests/kling/test_http1_fuzz.py holds the outcomes equal to aiohttp's.
"""

import asyncio
import ssl
from urllib.parse import urlsplit

from relay.kling.http1_connection import Connection, Dropped, describe
from relay.kling.http1_pool import Origin, Pool
from relay.kling.proxy import Proxy
from relay.kling.transport import (
    CONNECT_TIMEOUT_S,
    JOIN_BYTES_MAX,
    KEEPALIVE_S,
    REPLY_BYTES_MAX,
    USER_AGENT,
    Body,
    MaybeSent,
    NotSent,
    Reply,
    check_bearer,
    check_url,
    count_bytes,
    cut_into_writes,
)

CONNECTIONS_MAX = 4096
"""A create may take seconds, and a wait for a connection is lost time."""

_REMEMBERED_MAX = 1000
"""Base URLs, and bearers of each; above it they are worked out anew."""


class Http1Transport:
    """Sends over one pool of connections; use it inside one event loop."""

    def __init__(
        self,
        *,
        connections_max: int = CONNECTIONS_MAX,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        keepalive_s: float = KEEPALIVE_S,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        join_bytes_max: int = JOIN_BYTES_MAX,
        user_agent: str = USER_AGENT,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._join_bytes_max = join_bytes_max
        self._user_agent = user_agent
        self._through = "" if proxy is None else f" through the proxy {proxy}"
        self._origins: dict[str, Origin] = {}
        self._pool = Pool(
            calls_max=connections_max,
            keepalive_s=keepalive_s,
            reply_bytes_max=reply_bytes_max,
            tls=tls or _default_tls(),
            proxy=proxy,
        )

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        check_url(url)
        path_start = url.find("/", len("https://"))
        base, target = (url[:path_start], url[path_start:]) if path_start > 0 else (url, "/")
        origin = self._origins.get(base) or self._find_origin(base)
        common = origin.heads.get(bearer) or self._write_common(origin, bearer)
        try:
            request = _encode(method, target, common, body, self._join_bytes_max)
        except (TypeError, ValueError, BufferError) as error:
            raise NotSent(describe(error)) from None
        deadline = asyncio.get_running_loop().time() + timeout_s
        connection = self._pool.take_idle(origin)
        if connection is None:
            return await self._send_on_another(origin, request, deadline, is_fresh=False)
        try:
            return await self._exchange(connection, request, deadline)
        except Dropped as error:
            if method != "GET":
                raise MaybeSent(error.reason) from None
        except MaybeSent as error:
            raise error from None
        finally:
            self._pool.free_place()
        try:
            return await self._send_on_another(origin, request, deadline, is_fresh=True)
        except NotSent as error:
            raise MaybeSent(error.reason) from None  # the first time it may have been

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _send_on_another(
        self, origin: Origin, request: "_Request", deadline: float, *, is_fresh: bool
    ) -> Reply:
        """Send over a connection that must be waited for, most often a new one."""
        left_s = deadline - asyncio.get_running_loop().time()
        try:
            connection = await self._pool.open(
                origin, timeout_s=min(self._connect_timeout_s, left_s), is_fresh=is_fresh
            )
        except NotSent as error:
            raise error from None
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was written
            raise NotSent(describe(error) + self._through) from None
        try:
            return await self._exchange(connection, request, deadline)
        except MaybeSent as error:
            raise MaybeSent(error.reason) from None
        finally:
            self._pool.free_place()

    async def _exchange(
        self, connection: Connection, request: "_Request", deadline: float
    ) -> Reply:
        """Write the request and wait for its reply.

        Raises:
            MaybeSent: no whole reply; the connection is closed.
        """
        data, large_body, method = request
        waiter = connection.begin(method, deadline)
        if deadline < self._pool.alarm_at:
            self._pool.wake_at(deadline)
        try:
            if large_body is None:
                connection.write(data)
            else:
                views = cut_into_writes(large_body, count_bytes(large_body))
                await connection.upload(data, views, waiter)
            return await waiter
        except MaybeSent:
            raise
        except Exception as error:  # noqa: BLE001 - a hold must survive what nobody foresaw
            raise MaybeSent(describe(error)) from None
        finally:
            connection.abandon(waiter)
            # It holds the exception, whose traceback holds this frame: a circle with the body in
            # it, which nothing would free until the collector comes.
            del waiter

    def _find_origin(self, base: str) -> Origin:
        try:
            parts = urlsplit(base)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise NotSent(describe(error)) from None
        if not host or set("?@\\").intersection(base):
            raise NotSent("the URL of the channel names no host, or more than a host and a port")
        is_tls = parts.scheme == "https"
        default_port = 443 if is_tls else 80
        host_header = f"[{host}]" if ":" in host else host
        if port is not None and port != default_port:
            host_header = f"{host_header}:{port}"
        if len(self._origins) >= _REMEMBERED_MAX:
            self._origins.clear()
        origin = Origin(host, default_port if port is None else port, is_tls, host_header)
        self._origins[base] = origin
        return origin

    def _write_common(self, origin: Origin, bearer: str) -> str:
        """Write what every request with this bearer says between its target and its body."""
        check_bearer(bearer)
        if len(origin.heads) >= _REMEMBERED_MAX:
            origin.heads.clear()
        common = origin.heads[bearer] = (
            f" HTTP/1.1\r\nHost: {origin.host_header}\r\nAuthorization: Bearer {bearer}\r\n"
            f"Accept: */*\r\nAccept-Encoding: identity\r\nUser-Agent: {self._user_agent}\r\n"
        )
        return common


_Request = tuple[bytes, Body | None, str]
"""What is written at once; a large body after it; the method."""


def _encode(
    method: str, target: str, common: str, body: Body | None, join_bytes_max: int
) -> _Request:
    """Raise what a method or a body raises that cannot be sent, before anything is."""
    if not (method.isascii() and method.isalpha()):
        raise ValueError(method)
    if body is None:
        length = "" if method in {"GET", "HEAD"} else "Content-Length: 0\r\n"
        return f"{method} {target}{common}{length}\r\n".encode("ascii"), None, method
    # Of a memoryview len() counts items; of small ones the joined bytes tell the size.
    is_small = (len(body) if isinstance(body, bytes) else sum(map(len, body))) <= join_bytes_max
    whole = (body if isinstance(body, bytes) else b"".join(body)) if is_small else b""
    size = len(whole) if is_small else count_bytes(body)
    head = (
        f"{method} {target}{common}Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode("ascii")
    return (head + whole, None, method) if is_small else (head, body, method)


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
