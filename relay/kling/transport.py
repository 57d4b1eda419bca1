"""The seam to Kling: bytes in; status and bytes out; or one of two failures.

Whoever sends must know after a failure whether Kling can have got the request, because money
hangs on it. `NotSent` allows another channel and a release of the hold, `MaybeSent` allows
neither. In doubt it is `MaybeSent`. Nothing here follows a redirect, keeps a cookie, reads a
proxy from the environment or changes a byte of either body.

Raised reasons never hold the query of a URL or a credential, so they may be logged and stored.
They are raised `from None`: exceptions of the libraries carry the request's headers, and so the
bearer.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

REPLY_BYTES_MAX = 16 * 1024 * 1024
"""A list of 500 tasks with their results is below 1 MB; nothing Kling documents comes near this."""

CONNECT_TIMEOUT_S = 5.0
"""Name, TCP and TLS together; a channel that takes longer is down, and another may serve."""

KEEPALIVE_S = 15.0
"""Shorter than any server's or balancer's usual 60 s, so that we close an idle connection first."""

USER_AGENT = "kling-client/1.0"
"""Neutral: Kling need not learn that a relay calls it."""

JOIN_BYTES_MAX = 256 * 1024
"""Below this, parts are copied into one write; above, that copy costs more than the writes."""

GATHERED_BYTES_MAX = 16 * 1024
"""Of a larger body, parts up to this are copied together: each write costs as much as that copy."""

Body = bytes | Sequence[bytes | bytearray | memoryview]


class Connected(Protocol):
    """A connection that a reply came over."""

    def fail(self, error: "MaybeSent", /) -> None:
        """Close it, and end what is under way on it."""


class Reply(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What Kling answered, whatever its status; `body` is as it came, still encoded if it was.

    Two are equal that say the same, whatever they came over.
    """

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""
    connection: Connected | None = None
    """See `distrust`; None where there is none to close."""
    date: str = ""
    """When it was answered, by the clock of who did."""
    is_bare: bool = False
    """It came without Kling's envelope, and has one of ours (`bare.py`)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self._said() == other._said()

    def __ne__(self, other: object) -> bool:  # a Struct has its own, which does not ask ours
        return not self == other

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> tuple[int, str, bytes, str]:
        return self.status, self.content_type, self.body, self.retry_after


class NoUsableReply(Exception):
    """A call without a usable answer; only the two below are raised."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(NoUsableReply):
    """Kling cannot have got the request: another channel may be tried, the hold may be released."""


class MaybeSent(NoUsableReply):
    """Kling may have got the request, and no usable answer came: keep the hold, reconcile."""


def distrust(reply: Reply) -> None:
    """Close the connection that another request's reply came over.

    Who got it meanwhile would take the next one's reply for its own: its call ends in `MaybeSent`.
    """
    if reply.connection is not None:
        reply.connection.fail(MaybeSent("its connection was out of step"))


class Transport(Protocol):
    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        """Send one request once and read its whole reply.

        `url` goes out exactly as given: what needs an escape has it already. `timeout_s` bounds the
        whole call. Parts of a body are sent one after the other and must not change meanwhile.
        A GET may be repeated on a fresh connection if the kept one broke; a POST never is.

        Raises:
            NotSent: no complete request can have reached Kling.
            MaybeSent: anything else that is not a whole reply, also one over the bound.
        """

    async def aclose(self) -> None:
        """Close all connections; calls in flight end in `MaybeSent` or `NotSent`."""


def check_sendable(url: str, bearer: str) -> None:
    """Refuse what no HTTP client could send, before a library fails halfway in its own way.

    Raises:
        NotSent: another scheme than http(s), or characters that would end a header or the URL.
    """
    check_url(url)
    check_bearer(bearer)


def check_url(url: str) -> None:
    if not url.startswith(("https://", "http://")):
        raise NotSent("the URL of the channel is not http or https")
    if not (url.isascii() and url.isprintable()) or " " in url or "#" in url:
        raise NotSent("the URL holds characters that need an escape")


def check_bearer(bearer: str) -> None:
    if not (bearer.isascii() and bearer.isprintable()):
        raise NotSent("the credential of the channel holds characters that no header can carry")


def count_bytes(body: Body) -> int:
    if isinstance(body, bytes):
        return len(body)
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in body)


def cut_into_writes(body: Body, size: int) -> Iterator[bytes | memoryview]:
    """Yield what to hand to the socket: all at once if small, else views of bounded size.

    Bounded, because a socket that takes only a part of a write makes asyncio copy the rest of it,
    and TLS encrypts a whole write at once. Small parts beside each other are one write: a body of
    many fields has three for each of them.
    """
    if size <= JOIN_BYTES_MAX:
        yield body if isinstance(body, bytes) else b"".join(body)
        return
    gathered = bytearray()
    for part in (body,) if isinstance(body, bytes) else body:
        view = memoryview(part).cast("B")
        is_small = view.nbytes <= GATHERED_BYTES_MAX
        if is_small:
            gathered += view
        if gathered and (not is_small or len(gathered) > JOIN_BYTES_MAX - GATHERED_BYTES_MAX):
            yield bytes(gathered)
            gathered.clear()
        if not is_small:
            for start in range(0, len(view), JOIN_BYTES_MAX):
                yield view[start : start + JOIN_BYTES_MAX]
    if gathered:
        yield bytes(gathered)
