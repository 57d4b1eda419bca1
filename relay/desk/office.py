"""What faces of the desk work with: settings, sessions, and what keeps long reads apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.schedule import Schedule
from relay.database.engine import Sessions
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.send import Sender
from relay.desk.errors import NoSuch, Occupied
from relay.desk.refusals import Refusals
from relay.desk.trial_runs import TrialRuns
from relay.kling.catalogue import Catalogue
from relay.kling.transport import Transport
from relay.results.passing import Passing
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.usage.statement import begin_snapshot


class Office(msgspec.Struct, frozen=True):
    """What the admin API and the console work with."""

    sessions: Sessions
    patient: Sessions
    """For what may take minutes, which has few connections."""
    settings: Settings
    keys: KeyRing
    catalogue: Catalogue
    sender: Sender
    """Of callbacks to tenants."""
    guard: CallbackGuard
    transport: Transport
    """To Kling."""
    turn: asyncio.Semaphore
    """Of what is long: one at a time of this process, so that its chores have their turn too."""
    refusals: Refusals
    trials: TrialRuns
    """Those that this process makes."""
    passing: Passing
    """Of files to who asks for them."""
    backups: Schedule | None = None
    """Where copies are kept; None: no setting names a place."""

    def check_endpoint(self, name: str) -> None:
        """Refuse an endpoint that is not there."""
        if name not in {one.name for one in self.catalogue.endpoints}:
            raise NoSuch("endpoint", name)

    def check_priced(self, name: str) -> None:
        """Refuse what no price row can be for."""
        if name not in {one.name for one in self.catalogue.priced}:
            raise NoSuch("endpoint", name)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Open one in which all is of one moment."""
        async with self.sessions.begin() as session:
            await begin_snapshot(session)
            yield session

    @asynccontextmanager
    async def long(self) -> AsyncIterator[AsyncSession]:
        """Open one for what reads a month or more; in it all is of one moment.

        Raises:
            Occupied: another one is under way.
        """
        async with self.alone(), self.patient.begin() as session:
            await begin_snapshot(session)
            yield session

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Take the turn of what is long.

        Raises:
            Occupied: another one is under way.
        """
        if self.turn.locked():
            raise Occupied
        async with self.turn:
            yield

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that can write nothing."""
        async with self.sessions.begin() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            yield session
