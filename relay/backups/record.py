"""What became of backups, kept in the database that they are of."""

from datetime import datetime

from sqlalchemy import delete, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.tables import Backup
from relay.backups.take import Taken

KEPT_DAYS = 365


async def record_taken(session: AsyncSession, taken: Taken, *, actor: str) -> Backup:
    """Write down one that was made, and forget those of long ago."""
    row = Backup(made_at=taken.made_at, place=taken.place, bytes=taken.bytes, actor=actor)
    session.add(row)
    await session.execute(
        delete(Backup).where(Backup.ended_at < func.now() - text(f"interval '{KEPT_DAYS} days'"))
    )
    await session.flush()
    return row


async def record_failed(
    session: AsyncSession, *, began_at: datetime, place: str, error: str, actor: str
) -> None:
    """Write down why there is none."""
    session.add(Backup(made_at=began_at, place=place, error=error, actor=actor))
    await session.flush()
