"""Sessions of which few are open at once: for what comes in crowds, beside what people wait for.

Who finds no connection of the pool free gives up after some seconds, as a request should. What is
done in the background waits in line here instead, as long as that takes, and holds no place in the
pool's own line meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions


class GatedSessions:
    """Opens them; nobody opens a second one while it has one."""

    def __init__(self, sessions: Sessions, *, at_once: int) -> None:
        self._sessions = sessions
        self._gate = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncSession]:
        async with self._gate, self._sessions() as session:
            yield session

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """Open a session in a transaction, which ends with it."""
        async with self._gate, self._sessions.begin() as session:
            yield session
