"""Kling over httpx: probes, the command line, and tests, which may pass an ASGI app.

Uses httpx's transports without its client, which would keep cookies, decode replies, add headers
and follow the environment.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx

from relay.kling.transport import (
    CONNECT_TIMEOUT_S,
    KEEPALIVE_S,
    REPLY_BYTES_MAX,
    USER_AGENT,
    Body,
    MaybeSent,
    NotSent,
    Reply,
    check_sendable,
    count_bytes,
    cut_into_writes,
)

CONNECTIONS_MAX = 100
"""httpcore scans its pool for every call, at a cost that grows with the square of this."""

_BEFORE_SENDING = (
    httpx.ConnectError,  # refused, no such name, TLS handshake, certificate
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


class HttpxTransport:
    """Sends through `inner`, by default a pool of sockets.

    Over `httpx.ASGITransport` an exception that the app lets out is `MaybeSent`, as the crash of a
    real server would be; a timeout cancels the app, which a real server would not notice.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport | None = None,
        *,
        connections_max: int = CONNECTIONS_MAX,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        user_agent: str = USER_AGENT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._reply_bytes_max = reply_bytes_max
        self._user_agent = user_agent
        self._inner = inner or httpx.AsyncHTTPTransport(
            verify=tls or ssl.create_default_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=connections_max, keepalive_expiry=KEEPALIVE_S),
        )

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        check_sendable(url, bearer)
        upload = _Upload(body)
        try:
            async with asyncio.timeout(timeout_s):
                request = self._build(method, url, bearer, upload, timeout_s)
                response = await self._inner.handle_async_request(request)
                try:
                    reply_body = await self._read(response)
                finally:
                    await response.aclose()
        except Exception as error:  # noqa: BLE001 - a hold must survive what nobody foresaw
            reason = error.reason if isinstance(error, MaybeSent) else type(error).__name__
            # Without a byte of its body a request is not complete, whatever the error is called.
            if isinstance(error, _BEFORE_SENDING) or not upload.is_started:
                raise NotSent(reason) from None
            raise MaybeSent(reason) from None
        return Reply(
            response.status_code,
            response.headers.get("content-type", ""),
            reply_body,
            response.headers.get("retry-after", ""),
            date=response.headers.get("date", ""),
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _build(
        self, method: str, url: str, bearer: str, upload: "_Upload", timeout_s: float
    ) -> httpx.Request:
        parsed = httpx.URL(url)
        headers = {
            "Host": parsed.netloc.decode("ascii"),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
            "Authorization": f"Bearer {bearer}",
        }
        if upload.body is not None:
            headers["Content-Type"] = "application/json"
        if upload.body is not None or method != "GET":
            headers["Content-Length"] = str(upload.size)
        connect_s = min(self._connect_timeout_s, timeout_s)
        timeout = {"connect": connect_s, "pool": connect_s, "read": timeout_s, "write": timeout_s}
        extensions = {"timeout": timeout, "target": _request_target(url)}
        return httpx.Request(method, parsed, headers=headers, stream=upload, extensions=extensions)

    async def _read(self, response: httpx.Response) -> bytes:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        chunks: list[bytes] = []
        left = self._reply_bytes_max
        async for chunk in response.stream:  # not aiter_raw(), which counts and wraps each chunk
            left -= len(chunk)
            if left < 0:
                raise MaybeSent(f"reply above {self._reply_bytes_max} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


class _Upload(httpx.AsyncByteStream):
    """A body that knows its length and whether any of it was asked for."""

    def __init__(self, body: Body | None) -> None:
        self.body = body
        self.size = 0 if body is None else count_bytes(body)
        self.is_started = self.size == 0  # of an empty body nothing can be missing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_started = True
        for part in cut_into_writes(self.body or b"", self.size):
            yield bytes(part)


def _request_target(url: str) -> bytes:
    """Cut path and query out of `url` unchanged; httpx would normalise them."""
    origin_end = url.find("/", url.index("://") + 3)
    return url[origin_end:].encode("ascii") if origin_end > 0 else b"/"
