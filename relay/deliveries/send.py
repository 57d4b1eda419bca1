"""One POST to a tenant's server: judged when dialled, bounded, and never anywhere else.

No redirect is followed, no proxy is taken from the environment, no cookie is kept, and each attempt
dials anew: a kept connection would have been judged for an earlier one. Any port is allowed.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from relay.deliveries.guard import AddressRefused, CallbackGuard
from relay.deliveries.names import Lookup, NameThreads, Resolver

TIMEOUT_S = 10.0
RESPONSE_BYTES_MAX = 1024
RESPONSE_WAIT_S = 1.0
"""For the beginning of the answer's body; its status alone decides."""
USER_AGENT = "webhooks/1.0"
"""Neutral: nothing tells a relay from Kling."""
CONTENT_TYPE = "application/json; charset=utf-8"


class Outcome(msgspec.Struct, frozen=True):
    """What one attempt came to; for the tenant's eyes too."""

    http_status: int | None
    error: str | None
    """Why there is no status."""
    duration_ms: int
    response: str | None = None

    @property
    def is_delivered(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300  # noqa: PLR2004

    @property
    def is_gone(self) -> bool:
        """410: the tenant's server asks to be told no more."""
        return self.http_status == 410  # noqa: PLR2004

    @property
    def summary(self) -> str:
        return f"HTTP {self.http_status}" if self.error is None else self.error


class Sender:
    """Sends to tenants' URLs; create it inside the loop that will use it."""

    def __init__(
        self, guard: CallbackGuard, *, lookup: Lookup | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._names = NameThreads()
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # places are the deliverer's
                force_close=True,
                use_dns_cache=False,
                resolver=Resolver(lookup or self._names),
                socket_factory=guard.open_socket,
                ssl=ssl.create_default_context(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            headers={
                hdrs.ACCEPT: "*/*",
                hdrs.ACCEPT_ENCODING: "identity",
                hdrs.USER_AGENT: USER_AGENT,
                hdrs.CONTENT_TYPE: CONTENT_TYPE,
            },
        )

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send once; whatever goes wrong is an outcome."""
        began = time.monotonic()
        try:
            async with self._session.post(
                _dialled(url), data=body, headers=headers, allow_redirects=False
            ) as response:
                shown = await _beginning(response)
        except Exception as error:  # noqa: BLE001 - a tenant's server may answer anything
            return Outcome(None, self._describe(error), _ms_since(began))
        return Outcome(response.status, None, _ms_since(began), shown)

    async def aclose(self) -> None:
        await self._session.close()
        self._names.close()

    def _describe(self, error: Exception) -> str:
        """Say in our own words what happened: the library's hold addresses and URLs."""
        match error:
            case TimeoutError():
                said = f"no answer within {self._timeout_s:g} s"
            case aiohttp.ClientConnectorDNSError():
                said = "its name is not known"
            case aiohttp.ClientConnectorCertificateError():
                said = "its TLS certificate is not valid"
            case aiohttp.ClientSSLError():
                said = "the TLS handshake failed"
            case aiohttp.ClientConnectorError(os_error=AddressRefused() as refused):
                said = str(refused)
            case aiohttp.ClientConnectorError():
                said = "the connection was refused or broke"
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | UnicodeError():
                said = "not a URL that can be dialled"
            case aiohttp.ServerConnectionError():
                said = "the connection was closed without an answer"
            case _:
                said = f"no answer that HTTP knows ({type(error).__name__})"
        return said


def _dialled(url: str) -> URL:
    """Keep every escape as the tenant wrote it, where it is a URL as it stands."""
    return URL(url, encoded=url.isascii() and url.isprintable())


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read the first bytes of the answer, as far as they come soon."""
    read = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(RESPONSE_WAIT_S):
            while len(read) < RESPONSE_BYTES_MAX and not response.content.at_eof():
                read += await response.content.readany()
    # Postgres takes no NUL in a text.
    return bytes(read[:RESPONSE_BYTES_MAX]).decode(errors="replace").replace("\x00", "\ufffd")


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
