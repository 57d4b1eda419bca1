"""Copies of the database that somebody took with him, and its return to one of them."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.record import record_failed, record_taken
from relay.backups.schedule import FAILURES, Schedule, back_up_now, reason_of
from relay.backups.tables import Restore
from relay.backups.take import Taken
from relay.database.engine import Sessions
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import Unusable
from relay.logins.links import use_up_links
from relay.logins.portal import end_all_portal_sessions
from relay.logins.sessions import end_all_sessions
from relay.pauses.tables import Pause
from relay.tasks.queue.tables import Queued
from relay.tasks.tables import Deployment, new_prefix

AHEAD_MAX = timedelta(hours=1)
"""Of another server's clock before this one's."""


class Marked(msgspec.Struct, frozen=True):
    """How a database begins that was set back."""

    former_prefix: str
    external_prefix: str
    pause_id: int


@act("backup.take")
async def note_backup(session: AsyncSession, actor: Actor, taken: Taken) -> None:
    """Write down a backup that was made: by whom, and where it is."""
    row = await record_taken(session, taken, actor=str(actor))
    await note_change(
        session,
        actor,
        "backup.take",
        kind="backup",
        id=row.id,
        name=str(row.id),
        after={"place": taken.place, "bytes": taken.bytes},
    )


async def back_up(sessions: Sessions, schedule: Schedule, actor: Actor) -> Taken:
    """Make a backup now where the schedule keeps them, and write down what became of it.

    May take minutes. Who may not do it has been asked before; it is judged when it is noted.

    Raises:
        UnderWay: another one is being made; nothing was written.
        NotAllowed, or what is in FAILURES: there is none.
    """
    async with sessions.begin() as session:
        began_at = await session.scalar(select(func.now()))
    assert began_at is not None, "a clock tells a time"
    try:
        taken = await back_up_now(schedule)
    except FAILURES as error:
        async with sessions.begin() as session:
            await record_failed(
                session,
                began_at=began_at,
                place=schedule.spelled,
                error=reason_of(error),
                actor=str(actor),
            )
        raise
    async with sessions.begin() as session:
        await note_backup(session, actor, taken)
    return taken


@act("database.restore")
async def mark_restored(
    session: AsyncSession, actor: Actor, *, as_of: datetime, source: str
) -> Marked:
    """Pause every create, and give this database's external ids a new prefix.

    What waited for room is not sent any more, as it may have been since: its time is over. Every
    browser is logged out: whose session was ended since must not be let in again.

    What was committed after `as_of` is lost: its ids may come again, and never under this prefix.

    Raises:
        Unusable: the moment is yet to come.
    """
    deployment = (await session.scalars(select(Deployment).with_for_update())).one()
    if as_of > await session.scalar(select(func.now())) + AHEAD_MAX:  # type: ignore[operator]  # never null
        raise Unusable("that moment is yet to come")
    former = deployment.external_prefix
    deployment.external_prefix = new_prefix()
    await session.flush()
    await session.refresh(deployment)
    prefix = deployment.external_prefix
    await session.execute(update(Queued).values(until=func.now()))
    await end_all_sessions(session)
    await end_all_portal_sessions(session)
    await use_up_links(session)
    row = Restore(as_of=as_of, source=source, former_prefix=former)
    pause = Pause(reason=f"set back to {as_of:%Y-%m-%d %H:%M:%SZ}: see `relay recover`")
    session.add_all([row, pause])
    await session.flush()
    await note_change(
        session,
        actor,
        "database.restore",
        kind="restore",
        id=row.id,
        name=str(row.id),
        before={"external_prefix": former},
        after={
            "external_prefix": prefix,
            "as_of": as_of.isoformat(),
            "source": source,
            "pause": pause.id,
        },
    )
    return Marked(former, prefix, pause.id)
