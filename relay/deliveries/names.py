"""Names to addresses for callbacks, on threads of their own, and never from memory.

The loop's own threads are few and shared; a tenant whose name server answers slowly would stop all
other lookups of the process. The system's resolver cannot be told to stop: a thread of ours works
on for half a minute after the attempt that wanted its answer was given up. So whoever counts what
a tenant has under way counts until then (`until_looked_up`), and there are more threads than can be
counted. (c-ares, as aiodns has it, could be told; but it reads the system's files in its own way,
and would miss names that the machine knows otherwise.)
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUPS_AT_ONCE = 256
"""Threads, each made when it is needed: one for each place of a worker (`AttemptLimits.in_all`),
and as many for tenants' test callbacks."""

Lookup = Callable[[str], Awaitable[list[str]]]
"""From a name to addresses; OSError if there are none."""

_begun: ContextVar[set[Future[list[str]]]] = ContextVar("begun")
"""The lookups of the attempt that this task, or one that it made, belongs to."""


@asynccontextmanager
async def until_looked_up() -> AsyncIterator[None]:
    """End only when all lookups inside have ended, though nobody waits for their answers any more.

    Cancelled, it does not wait.
    """
    begun: set[Future[list[str]]] = set()
    token = _begun.set(begun)
    try:
        yield
    except asyncio.CancelledError:
        begun.clear()
        raise
    finally:
        _begun.reset(token)
        working = [asyncio.wrap_future(future) for future in begun if not future.done()]
        await asyncio.gather(*working, return_exceptions=True)


class NameThreads:
    """The system's resolver, on threads that nothing else uses."""

    def __init__(
        self,
        look_up: Callable[[str], list[str]] | None = None,
        *,
        at_once: int = LOOKUPS_AT_ONCE,
    ) -> None:
        self._look_up = look_up or _look_up
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="callback-names")

    async def __call__(self, name: str) -> list[str]:
        future = self._threads.submit(self._look_up, name)
        begun = _begun.get(None)
        if begun is not None:
            begun.add(future)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Resolver(AbstractResolver):
    """What aiohttp asks, over any lookup."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._lookup(host)
        ]

    async def close(self) -> None:
        """Do nothing: nothing is kept."""


def _look_up(name: str) -> list[str]:
    infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(place[0]) for *_, place in infos]
