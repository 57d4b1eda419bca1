"""Names to addresses for callbacks, on threads of their own, and never from memory.

The loop's own threads are few and shared; a tenant whose name server answers slowly would stop all
other lookups of the process.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUPS_AT_ONCE = 64

Lookup = Callable[[str], Awaitable[list[str]]]
"""From a name to addresses; OSError if there are none."""


class NameThreads:
    """The system's resolver, on threads that nothing else uses."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="callback-names")

    async def __call__(self, name: str) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, name)

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
