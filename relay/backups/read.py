"""When this database was last copied, as it knows itself."""

from datetime import datetime

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.tables import Backup, Restore
from relay.pauses.tables import Pause

LATE_TIMES = 2
"""So many times the pause between them, and the last one is old."""
BY_HAND_OLD_S = 2 * 86400.0


def old_after_s(every_s: float | None) -> float:
    """Say when the last one is old; `every_s` None: a person makes them."""
    return BY_HAND_OLD_S if every_s is None else LATE_TIMES * every_s


class LastBackups(msgspec.Struct, frozen=True):
    """The last that was made, and the last that failed."""

    now: datetime
    """By the database's clock."""
    made_at: datetime | None
    """What was committed before is in it; None if there is none."""
    place: str | None
    failed_at: datetime | None
    """None if none failed since one was made."""
    error: str | None

    @property
    def age_s(self) -> float | None:
        """Say how much would be lost now; None: all."""
        return None if self.made_at is None else (self.now - self.made_at).total_seconds()


async def read_last_backups(session: AsyncSession) -> LastBackups:
    made, failed = [
        (
            await session.scalars(
                select(Backup).where(is_wanted).order_by(Backup.made_at.desc()).limit(1)
            )
        ).one_or_none()
        for is_wanted in (Backup.error.is_(None), Backup.error.is_not(None))
    ]
    if made is not None and failed is not None and failed.ended_at < made.ended_at:
        failed = None
    now = await session.scalar(select(func.clock_timestamp()))
    assert now is not None, "there is a time"
    return LastBackups(
        now=now,
        made_at=made.made_at if made else None,
        place=made.place if made else None,
        failed_at=failed.ended_at if failed else None,
        error=failed.error if failed else None,
    )


class RecordedBackup(msgspec.Struct, frozen=True, kw_only=True):
    """One that was made, or failed."""

    id: int
    ended_at: datetime
    made_at: datetime
    """What was committed before is in it; of one that failed, when it began."""
    place: str
    bytes: int | None
    error: str | None
    """Why there is none."""
    actor: str


async def list_recorded(
    session: AsyncSession, *, before_id: int | None = None, limit: int
) -> list[RecordedBackup]:
    """List what was made and what failed, the newest first: of this database, as it knows."""
    query = select(Backup).order_by(Backup.id.desc()).limit(limit)
    rows = await session.scalars(query if before_id is None else query.where(Backup.id < before_id))
    return [
        RecordedBackup(**{name: getattr(row, name) for name in RecordedBackup.__struct_fields__})
        for row in rows
    ]


class OpenRestore(msgspec.Struct, frozen=True):
    """A return to a backup that nobody has finished: its pause is in force."""

    as_of: datetime
    """What was committed later is lost."""
    pause_id: int


async def find_open_restore(session: AsyncSession) -> OpenRestore | None:
    """Find the newest; it and its pause are stamped by one transaction."""
    query = (
        select(Restore.as_of, Pause.id)
        .join(Pause, Pause.created_at == Restore.at)
        .where(Pause.ended_at.is_(None), or_(Pause.until.is_(None), Pause.until > func.now()))
        .order_by(Restore.id.desc())
        .limit(1)
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else OpenRestore(*found)
