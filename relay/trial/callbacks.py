"""Callbacks of a trial, noted by the process that serves, and read by the one that tries."""

from enum import StrEnum

import msgspec
from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.driver import Pool
from relay.kling.wire import read_any
from relay.trial.fields import paths_of
from relay.trial.report import CallbackSeen
from relay.trial.tables import TrialCallback

KEPT_DAYS = 7
"""Of a trial that was broken off."""

NOTE = """
INSERT INTO trial_callbacks (injected_id, source, signature, status, fields)
SELECT $1, $2, $3, $4, $5::text::jsonb
WHERE (SELECT count(*) FROM trial_callbacks WHERE injected_id = $1) < 100
"""


class Signature(StrEnum):
    """What a callback's signature was worth."""

    NONE = "unsigned"
    GOOD = "signed, and right"
    WRONG = "wrong"
    UNCHECKED = "signed; the channel has no webhook secret to check it with"


class TrialCallbacks:
    """Writes them down; a sender that repeats without end fills nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(
        self, injected_id: str, body: bytes, *, source: str, signature: Signature
    ) -> None:
        """Keep what a callback was like, and not what stood in it."""
        try:
            value = read_any(body)
        except ValueError:
            value = "unreadable"
        status = None
        if isinstance(value, dict):
            word = value.get("task_status") or value.get("status")
            status = str(word)[:32] if word else None
        fields = msgspec.json.encode(paths_of(value)).decode()
        await self._pool.execute(NOTE, injected_id, source, signature.value, status, fields)


async def read_trial_callbacks(
    session: AsyncSession, injected_id: str, *, since: float
) -> list[CallbackSeen]:
    """Read them in the order of their arrival; `since` is the Unix time they are counted from."""
    rows = await session.scalars(
        select(TrialCallback)
        .where(TrialCallback.injected_id == injected_id)
        .order_by(TrialCallback.id)
    )
    return [
        CallbackSeen(
            after_s=round(row.received_at.timestamp() - since, 3),
            status=row.status or "none",
            source=row.source,
            signature=row.signature,
            fields=[str(field) for field in row.fields],
        )
        for row in rows
    ]


async def forget_trial_callbacks(session: AsyncSession, injected_id: str) -> None:
    """Delete a trial's, now that they stand in its report, and what older ones left."""
    age = func.now() - func.make_interval(0, 0, 0, KEPT_DAYS)
    await session.execute(
        delete(TrialCallback).where(
            or_(TrialCallback.injected_id == injected_id, TrialCallback.received_at < age)
        )
    )
