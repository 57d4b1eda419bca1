"""One file of Kling's, read in pieces: judged when it is dialled, bounded, and never elsewhere.

No redirect is followed, no proxy is used and no cookie kept, and each file is dialled for anew: a
kept connection would have been judged for an earlier one.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from ipaddress import ip_network
from urllib.parse import urljoin

import aiohttp
from aiohttp import hdrs
from yarl import URL

from relay.deliveries.guard import AddressRefused, CallbackGuard
from relay.deliveries.names import Lookup, NameThreads, Resolver
from relay.results.hosts import is_of_kling, is_of_same_origin

WHOLE_S = 900.0
"""From the first byte that is asked for to the last one that is passed on."""
CONNECT_S, SILENCE_S = 10.0, 30.0
GONE = frozenset({403, 404, 410})
"""What a store says of a file that is no more, or of a signature whose days are over."""
MOVED = frozenset({301, 302, 303, 307, 308})
PASSED = frozenset({200, 206, 416})
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
USER_AGENT = "kling-client/1.0"


class FileGone(Exception):
    """Kling has it no more."""


class FileUnreachable(Exception):
    """No answer that has a file in it; says why in words of ours, without the URL."""


class FileMoved(FileUnreachable):
    """It is said to lie elsewhere; who wants it there asks whether it may."""

    def __init__(self, status: int, url: str) -> None:
        super().__init__(f"HTTP {status}")
        self.url = url


class File:
    """An answer whose body has not been read; whoever opened it closes it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        """One of `PASSED`."""

    def header(self, name: str) -> str | None:
        return self._response.headers.get(name)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Read as fast as it is asked for, not more than some 100 kB ahead.

        Raises:
            FileUnreachable: it broke off, also because somebody closed it.
        """
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise FileUnreachable(f"it broke off ({type(error).__name__})") from None

    def close(self) -> None:
        """Hang up; a read that waits ends at once."""
        self._response.close()


class Files:
    """Opens files; create it inside the loop that will use it."""

    def __init__(self, *, lookup: Lookup | None = None) -> None:
        self._names = NameThreads()
        names = lookup or self._names
        self._of_kling = _session(CallbackGuard(), names)
        self._of_sandboxes = _session(CallbackGuard(ANYWHERE), names)

    def may_open(self, url: str, *, sandbox_url: str | None) -> bool:
        """Tell whether it is Kling's own, or of the sandbox (its base URL) that made it."""
        return self._session_for(url, sandbox_url) is not None

    async def open(self, url: str, *, sandbox_url: str | None, headers: Mapping[str, str]) -> File:
        """Ask for a file that `may_open` allowed.

        Raises:
            FileGone, FileMoved, FileUnreachable
        """
        session = self._session_for(url, sandbox_url)
        assert session is not None, "whoever opens it has asked whether it may"
        try:
            response = await session.get(
                URL(url, encoded=url.isascii() and url.isprintable()),
                headers=headers,
                allow_redirects=False,
            )
        except aiohttp.ClientConnectorError as error:
            is_refused = isinstance(error.os_error, AddressRefused)
            raise FileUnreachable(str(error.os_error) if is_refused else "no connection") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise FileUnreachable(f"no answer ({type(error).__name__})") from None
        if response.status not in PASSED:
            response.close()
            if response.status in GONE:
                raise FileGone
            if response.status in MOVED and (place := response.headers.get(hdrs.LOCATION)):
                raise FileMoved(response.status, _joined(url, place))
            raise FileUnreachable(f"HTTP {response.status}")
        return File(response)

    def _session_for(self, url: str, sandbox_url: str | None) -> aiohttp.ClientSession | None:
        if sandbox_url is not None and is_of_same_origin(url, sandbox_url):
            return self._of_sandboxes
        return self._of_kling if is_of_kling(url) else None

    async def aclose(self) -> None:
        await self._of_kling.close()
        await self._of_sandboxes.close()
        self._names.close()


def _session(guard: CallbackGuard, names: Lookup) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # places are the surface's
            force_close=True,
            use_dns_cache=False,
            resolver=Resolver(names),
            socket_factory=guard.open_socket,
            ssl=ssl.create_default_context(),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=WHOLE_S, sock_connect=CONNECT_S, sock_read=SILENCE_S),
        headers={
            hdrs.ACCEPT: "*/*",
            hdrs.ACCEPT_ENCODING: "identity",
            hdrs.USER_AGENT: USER_AGENT,
        },
    )


def _joined(url: str, place: str) -> str:
    try:
        return urljoin(url, place)
    except ValueError:
        raise FileUnreachable("it was said to lie where no URL leads") from None
