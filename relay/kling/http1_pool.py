"""Connections to Kling that are kept, and how many calls may be on the way at once."""

import asyncio
import math
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiohappyeyeballs import AddrInfoType, start_connection

from relay.kling.http1_connection import Connection
from relay.kling.proxy import Proxy
from relay.kling.transport import MaybeSent, NotSent
from relay.kling.tunnel import dial

HAPPY_EYEBALLS_DELAY_S = 0.25
"""Before the next address is tried beside the first one (RFC 8305, section 8)."""

ADDRESSES_KEPT_S = 10.0
"""A burst of new connections asks the resolver once, and a change of the name is soon followed."""

_CLOSE_S = 1.0

_ALARMS_APART_S = 0.05
"""Each looks at every connection: thousands that end one by one must not mean thousands of it."""


@dataclass(eq=False)
class Origin:
    """Where a base URL leads, and what is kept for it."""

    host: str
    port: int
    is_tls: bool
    host_header: str
    heads: dict[str, str] = field(default_factory=dict)
    """By bearer: what the head of every request says after its first line."""
    idle: list[Connection] = field(default_factory=list)
    """The last one used is the next one taken, so that what is not needed grows old."""
    addresses: Sequence[AddrInfoType] = ()
    addresses_until: float = -math.inf
    lookup: asyncio.Task[None] | None = None


class Pool:
    """Lets `calls_max` calls run, the others wait in order; idle connections are not counted.

    Whoever got a connection must call `free_place` once, when its call has ended.
    """

    def __init__(
        self,
        *,
        calls_max: int,
        keepalive_s: float,
        reply_bytes_max: int,
        tls: ssl.SSLContext,
        proxy: Proxy | None = None,
    ) -> None:
        self._calls_max = calls_max
        self._keepalive_s = keepalive_s
        self._reply_bytes_max = reply_bytes_max
        self._tls = tls
        self._proxy = proxy
        self._calls = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._opening: set[asyncio.Timeout] = set()
        self._homes: dict[Connection, Origin] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self.alarm_at = math.inf
        self._last_gone: asyncio.Future[None] | None = None
        self._is_closed = False

    def take_idle(self, origin: Origin) -> Connection | None:
        """Take a place and a kept connection, or neither."""
        if not origin.idle or self._calls >= self._calls_max or self._is_closed:
            return None
        connection = self._pop_idle(origin)
        if connection is not None:
            self._calls += 1
        return connection

    async def open(self, origin: Origin, *, timeout_s: float, is_fresh: bool) -> Connection:
        """Wait for a place; connect, unless a connection came back meanwhile and may be taken.

        Raises:
            TimeoutError, OSError, ValueError: no place or no connection; no place is taken.
            NotSent: closed, or the proxy made no connection.
        """
        async with asyncio.timeout(timeout_s) as timeout:
            self._opening.add(timeout)
            try:
                await self._take_place()
                try:
                    connection = None if is_fresh else self._pop_idle(origin)
                    return connection or await self._connect(origin)
                except BaseException:
                    self.free_place()
                    raise
            finally:
                self._opening.discard(timeout)

    def free_place(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)  # the place changes hands and is never free for a newcomer
                return
        self._calls -= 1

    def wake_at(self, end: float) -> None:
        """See to it that what ends then is ended; call it only if `end` comes before `alarm_at`.

        One timer for all: as calls have much the same timeout, a new one seldom ends first.
        """
        if self._alarm is not None:
            self._alarm.cancel()
        self.alarm_at = end
        self._alarm = asyncio.get_running_loop().call_at(end, self._expire_all)

    async def aclose(self) -> None:
        """End every call, also those that wait or connect; wait a moment for the sockets."""
        self._is_closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        for timeout in self._opening:
            timeout.reschedule(0)
        for connection in list(self._homes):
            connection.fail(MaybeSent("closed by us"))
        if self._homes:
            self._last_gone = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._last_gone

    def _pop_idle(self, origin: Origin) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while origin.idle:
            connection = origin.idle.pop()
            if connection.is_usable:
                if connection.ends_at > now:
                    return connection
                connection.close()  # the alarm is late, as after a standstill of the process
        return None

    async def _take_place(self) -> None:
        if self._calls < self._calls_max:
            self._calls += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.free_place()  # it was given in the same moment
            raise

    async def _connect(self, origin: Origin) -> Connection:
        if self._is_closed:
            raise NotSent("the transport is closed")
        loop = asyncio.get_running_loop()
        if self._proxy is None:
            sock = await _dial(origin)
        else:
            sock = await dial(self._proxy, origin.host, origin.port)
        connection = Connection(
            loop,
            reply_bytes_max=self._reply_bytes_max,
            on_free=self._keep,
            on_lost=self._forget,
        )
        try:
            await loop.create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._tls if origin.is_tls else None,
                server_hostname=origin.host.rstrip(".") if origin.is_tls else None,
            )
        except BaseException:
            sock.close()  # a handshake that failed or was cancelled
            raise
        self._homes[connection] = origin
        return connection

    def _keep(self, connection: Connection) -> None:
        connection.ends_at = asyncio.get_running_loop().time() + self._keepalive_s
        self._homes[connection].idle.append(connection)
        if connection.ends_at < self.alarm_at:
            self.wake_at(connection.ends_at)

    def _forget(self, connection: Connection) -> None:
        origin = self._homes.pop(connection, None)
        if origin is not None and connection in origin.idle:
            origin.idle.remove(connection)
        if self._last_gone is not None and not self._homes and not self._last_gone.done():
            self._last_gone.set_result(None)

    def _expire_all(self) -> None:
        now = asyncio.get_running_loop().time()
        next_end = math.inf
        for connection in list(self._homes):
            if connection.ends_at <= now:
                connection.expire()
            else:
                next_end = min(next_end, connection.ends_at)
        self.alarm_at = math.inf
        if next_end < math.inf:
            self.wake_at(max(next_end, now + _ALARMS_APART_S))


async def _dial(origin: Origin) -> socket.socket:
    loop = asyncio.get_running_loop()
    if origin.addresses_until < loop.time():
        origin.lookup = origin.lookup or loop.create_task(_look_up(origin))
        await asyncio.shield(origin.lookup)  # others may wait for it too
    return await start_connection(
        origin.addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_S, loop=loop
    )


async def _look_up(origin: Origin) -> None:
    loop = asyncio.get_running_loop()
    try:
        origin.addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        origin.addresses_until = loop.time() + ADDRESSES_KEPT_S
    finally:
        origin.lookup = None
