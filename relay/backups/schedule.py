"""Backups by themselves: when one is due, one worker of all makes it."""

from collections.abc import Callable

import asyncpg
import msgspec
import structlog

from relay.backups.keep import delete_older
from relay.backups.pg_dump import DumpFailed
from relay.backups.places import Place, PlaceFailed, open_place
from relay.backups.read import LastBackups, read_last_backups
from relay.backups.record import record_failed, record_taken
from relay.backups.take import Taken, copy_snapshot, snapshot_of
from relay.buckets.reach import read_reach
from relay.database.engine import Sessions
from relay.ledger.entries import BY_RELAY
from relay.machine import Machine
from relay.secrets import KeyRing
from relay.settings import Settings

log = structlog.get_logger()

LOCK = 0x6261636B7570  # "backup": one worker makes one, the others skip their turn
ASKED_EVERY_S = 60.0
"""How often a worker looks whether one is due."""
AGAIN_AFTER_S = 900.0
"""After one that failed."""
FAILURES = (
    *(DumpFailed, PlaceFailed, OSError, TimeoutError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError),
)


class Schedule(msgspec.Struct, frozen=True):
    """What a worker keeps to."""

    url: str
    """Of Postgres itself, never of a pooler."""
    sessions: Sessions
    """For a few rows: what has been copied is not to be forgotten since an audit is at it."""
    keys: KeyRing
    open_place: Callable[[], Place]
    """Raises PlaceFailed: what is wrong may be mended while the worker runs."""
    spelled: str
    every_s: float
    keep: int

    def is_due(self, last: LastBackups) -> bool:
        """Tell whether one is due: by the last one's age, and by how long ago one failed."""
        if last.age_s is not None and last.age_s < self.every_s:
            return False
        if last.failed_at is None:
            return True
        return (last.now - last.failed_at).total_seconds() >= min(AGAIN_AFTER_S, self.every_s)


def schedule_of(settings: Settings, url: str, keys: KeyRing, sessions: Sessions) -> Schedule | None:
    """Read it off the settings; None if they name no place."""
    if settings.backup_to is None:
        return None
    folder = settings.backup_to.rstrip("/") + "/"
    return Schedule(
        url=url,
        sessions=sessions,
        keys=keys,
        open_place=lambda: open_place(folder, read_reach(machine=Machine())),
        spelled=folder,
        every_s=settings.backup_every_s,
        keep=settings.backup_keep,
    )


async def back_up_if_due(schedule: Schedule) -> None:
    """Make a backup if one is due and no other worker is at it; keep what became of it.

    Opens two connections beside the pools' while it is made.
    """
    sessions = schedule.sessions
    last = await _read(sessions)
    if not schedule.is_due(last):
        return
    async with snapshot_of(schedule.url) as connection:
        if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock({LOCK})"):
            return
        # Who had the lock before us may have made one, and wrote it down before he let go.
        last = await _read(sessions)
        if not schedule.is_due(last):
            return
        try:
            place = schedule.open_place()
            taken = await copy_snapshot(connection, schedule.url, schedule.keys, place)
        except FAILURES as error:
            reason = reason_of(error)
            log.error("backup.failed", place=schedule.spelled, reason=reason)  # noqa: TRY400 (no bug)
            async with sessions.begin() as session:
                await record_failed(
                    session,
                    began_at=last.now,
                    place=schedule.spelled,
                    error=reason,
                    actor=BY_RELAY,
                )
            return
        async with sessions.begin() as session:
            await record_taken(session, taken, actor=BY_RELAY)
    log.info("backup.made", place=taken.place, bytes=taken.bytes, made_at=taken.made_at)
    await _delete_older(place, taken, schedule.keep)


class UnderWay(Exception):
    """Another one is being made just now."""


async def back_up_now(schedule: Schedule) -> Taken:
    """Make one, due or not, and delete those that are too many; nothing is written down.

    Raises:
        UnderWay
        DumpFailed, PlaceFailed, or what else is in FAILURES: there is none.
    """
    async with snapshot_of(schedule.url) as connection:
        if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock({LOCK})"):
            raise UnderWay
        place = schedule.open_place()
        taken = await copy_snapshot(connection, schedule.url, schedule.keys, place)
    log.info("backup.made", place=taken.place, bytes=taken.bytes, made_at=taken.made_at)
    await _delete_older(place, taken, schedule.keep)
    return taken


def reason_of(error: Exception) -> str:
    """Say in one line why there is none."""
    return " ".join(str(error).split()) or type(error).__name__


async def _delete_older(place: Place, taken: Taken, keep: int) -> None:
    try:
        deleted = await delete_older(place.folder, deployment=taken.deployment, keep=keep)
    except PlaceFailed as error:
        log.warning("backup.not_deleted", place=place.spelled, reason=str(error))
        return
    for one in deleted:
        log.info("backup.deleted", place=one)


async def _read(sessions: Sessions) -> LastBackups:
    async with sessions() as session:
        return await read_last_backups(session)
