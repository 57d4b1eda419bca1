"""What one process alone can see, noted for whoever judges the rules."""

import os
import shutil
import socket
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found
from relay.counts import Counts
from relay.database.engine import Sessions
from relay.database.facts import read_directory
from relay.database.space import LOW_PERCENT, is_low, spell_bytes
from relay.tasks.ability import Ability

NOT_READY, DISK_LOW, CHARGE_FAILS = "not-ready", "disk-low", "charge-fails"
COUNTS_S = 180.0
"""A note that is not made again is of a process that ended."""
CHARGE_COUNTS_S = 3600.0

NOTE = """
INSERT INTO alert_notes (rule, process, said, until)
VALUES (:rule, :process, :said, now() + :for_s * interval '1 second')
ON CONFLICT (rule, process) DO UPDATE
SET said = excluded.said, noted_at = now(), until = excluded.until
"""
FORGET = "DELETE FROM alert_notes WHERE (rule = :rule AND process = :process) OR until < now()"
NOTED = (
    "SELECT process, said FROM alert_notes WHERE rule = :rule AND until > now() ORDER BY process"
)


class Notes:
    """Looks at what this process sees, and notes what is wrong with it."""

    def __init__(self, sessions: Sessions, *, ability: Ability, counts: Counts) -> None:
        self._sessions = sessions
        self._ability = ability
        self._failures = counts.charge_failures
        self._process = f"{socket.gethostname()}:{os.getpid()}"
        self._failed = 0

    async def take(self) -> None:
        """Note it, each in place of what was noted before."""
        trouble = await self._ability.find_trouble()
        async with self._sessions.begin() as session:
            directory = await read_directory(session)
            await self._note(session, NOT_READY, trouble)
            await self._note(session, DISK_LOW, _find_full(directory))
            failed = sum(self._failures.by.values())
            if failed > self._failed:
                said = f"{failed - self._failed} in the last minute; the log has each"
                await self._note(session, CHARGE_FAILS, said, for_s=CHARGE_COUNTS_S)
        self._failed = failed

    async def _note(
        self, session: AsyncSession, rule: str, said: str | None, *, for_s: float = COUNTS_S
    ) -> None:
        values = {"rule": rule, "process": self._process}
        if said is None:
            await session.execute(text(FORGET), values)
        else:
            await session.execute(text(NOTE), {**values, "said": said, "for_s": for_s})


def _find_full(directory: Path | None) -> str | None:
    """Spell how full the database's disk is, if it is to be seen from here and nearly so."""
    try:
        usage = None if directory is None else shutil.disk_usage(directory)
    except OSError:
        usage = None
    if usage is None or not is_low(usage.total, usage.free, percent=LOW_PERCENT):
        return None
    return f"{spell_bytes(usage.free)} free of {spell_bytes(usage.total)} at {directory}"


async def not_ready(session: AsyncSession, _bound: float, _: Around) -> Found:
    """Ask which processes could run no submit."""
    return await _read(session, NOT_READY)


async def disk_low(session: AsyncSession, _bound: float, _: Around) -> Found:
    """Ask who sees the database's disk filling up."""
    return await _read(session, DISK_LOW)


async def charge_fails(session: AsyncSession, _bound: float, _: Around) -> Found:
    """Ask who could not write a charge."""
    return await _read(session, CHARGE_FAILS)


async def _read(session: AsyncSession, rule: str) -> Found:
    """Read notes by machine: a process that starts anew is no other trouble."""
    found: Found = {}
    for row in await session.execute(text(NOTED), {"rule": rule}):
        found[row.process.rpartition(":")[0]] = row.said
    return found
