"""The standard client behind the same seam: what our own is compared with, and nothing more."""

import ssl

import aiohttp
from aiohttp import hdrs
from yarl import URL

from relay.kling.transport import (
    REPLY_BYTES_MAX,
    USER_AGENT,
    Body,
    MaybeSent,
    NotSent,
    Reply,
    check_sendable,
)

_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,  # refused, no such name, TLS handshake, certificate
    aiohttp.ConnectionTimeoutError,  # also the wait for a free connection
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class AiohttpReference:
    def __init__(self, *, reply_bytes_max: int = REPLY_BYTES_MAX) -> None:
        self._reply_bytes_max = reply_bytes_max
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={
                hdrs.ACCEPT: "*/*",
                hdrs.ACCEPT_ENCODING: "identity",
                hdrs.USER_AGENT: USER_AGENT,
            },
        )

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        check_sendable(url, bearer)
        headers = {hdrs.AUTHORIZATION: f"Bearer {bearer}", hdrs.CONTENT_TYPE: "application/json"}
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body if body is None or isinstance(body, bytes) else b"".join(body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                reply_body = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, _BEFORE_SENDING):
                raise NotSent(reason) from None
            raise MaybeSent(reason) from None
        if len(reply_body) > self._reply_bytes_max:
            raise MaybeSent("reply above the bound")
        return Reply(
            response.status,
            response.headers.get(hdrs.CONTENT_TYPE, ""),
            reply_body,
            response.headers.get(hdrs.RETRY_AFTER, ""),
            date=response.headers.get(hdrs.DATE, ""),
        )

    async def aclose(self) -> None:
        await self._session.close()
