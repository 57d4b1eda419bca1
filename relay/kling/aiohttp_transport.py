"""Kling over aiohttp: the hot path.

Facts about aiohttp 3.14 that this file stands on, read in its source and held by the tests:

- It resends idempotent methods once when a kept connection breaks, and POST never.
- Given Accept, Accept-Encoding and User-Agent, it adds only Host and Content-Length.
- `connect` of its timeout covers the wait for a free connection, the name, TCP and TLS.
- A reply that ends before its Content-Length raises; it is never taken for whole.
"""

import asyncio
import ssl
from contextlib import suppress

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict
from yarl import URL

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

CONNECTIONS_MAX = 4096
"""Far above aiohttp's 100: a create may take seconds, and a wait for a connection is lost time."""

_CLOSE_S = 1.0

_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,  # refused, no such name, TLS handshake, certificate
    aiohttp.ConnectionTimeoutError,  # also the wait for a free connection
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class AiohttpTransport:
    """Sends over one pool of connections; create it inside the loop that will use it."""

    def __init__(
        self,
        *,
        connections_max: int = CONNECTIONS_MAX,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        keepalive_s: float = KEEPALIVE_S,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        user_agent: str = USER_AGENT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._reply_bytes_max = reply_bytes_max
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections_max,
                keepalive_timeout=keepalive_s,
                ssl=tls or ssl.create_default_context(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={
                hdrs.ACCEPT: "*/*",
                hdrs.ACCEPT_ENCODING: "identity",
                hdrs.USER_AGENT: user_agent,
            },
        )

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        check_sendable(url, bearer)
        headers = CIMultiDict({hdrs.AUTHORIZATION: f"Bearer {bearer}"})
        upload = None
        if body is not None:
            upload = _Upload(body)
            headers[hdrs.CONTENT_TYPE] = "application/json"
        timeout = aiohttp.ClientTimeout(
            total=timeout_s, connect=min(self._connect_timeout_s, timeout_s)
        )
        try:
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=upload,
                allow_redirects=False,
                # Only a POST without a body would be given a type; to skip costs 10 us a call.
                skip_auto_headers=None if upload or method == "GET" else (hdrs.CONTENT_TYPE,),
                timeout=timeout,
            )
            try:
                reply_body = await self._read(response)
            finally:
                response.release()
        except Exception as error:  # noqa: BLE001 - a hold must survive what nobody foresaw
            reason = _describe(error)
            # Without a byte of its body a request is not complete, whatever the error is called.
            if isinstance(error, _BEFORE_SENDING) or (upload and not upload.is_started):
                raise NotSent(reason) from None
            raise MaybeSent(reason) from None
        return Reply(
            response.status,
            response.headers.get(hdrs.CONTENT_TYPE, ""),
            reply_body,
            response.headers.get(hdrs.RETRY_AFTER, ""),
        )

    async def aclose(self) -> None:
        # Closed at once; the wait is for unsent bytes, which a peer may never take.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        left = self._reply_bytes_max
        while not response.content.at_eof():
            chunk = await response.content.readany()
            left -= len(chunk)
            if left < 0:
                raise MaybeSent(f"reply above {self._reply_bytes_max} bytes")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Upload(aiohttp.Payload):
    """A body that knows its length and whether any of it was handed to the socket."""

    _autoclose = True  # holds no file

    def __init__(self, body: Body) -> None:
        super().__init__(body, content_type="application/json")
        self._size = count_bytes(body)
        self.is_started = self._size == 0  # of an empty body nothing can be missing

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - aiohttp took it from our own size
    ) -> None:
        self.is_started = True
        for part in cut_into_writes(self._value, self._size or 0):
            await writer.write(part)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(cut_into_writes(self._value, self._size or 0)).decode(encoding, errors)


def _describe(error: Exception) -> str:
    if isinstance(error, MaybeSent):
        return error.reason
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    text = cause.strerror if isinstance(cause, OSError) else None
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
