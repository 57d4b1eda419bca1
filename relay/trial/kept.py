"""Trials as they are kept: begun, at a step, and ended once.

Whoever makes one says every few seconds that it is at it. So a trial whose process was killed is
told from one that goes on, by any process: nobody has said anything of it for a while.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.moments import spelt_moment
from relay.months import Window
from relay.trial.report import TrialReport
from relay.trial.tables import KeptTrial

SAYS_EVERY_S = 5.0
SILENT_S = 60.0
"""After so long without a word of it nobody makes it any more."""


class TrialState(StrEnum):
    """How a trial stands."""

    RUNNING = "running"
    """Its task is being made or waited for."""
    ENDED = "ended"
    """It has its report."""
    FAILED = "failed"
    """It was broken off, and `failure` says why."""
    LOST = "lost"
    """It was begun, and nobody is at it: whether its task was made is not known."""


class ShownTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A trial, for operators."""

    id: int
    state: TrialState
    actor: str
    begun_at: datetime
    seen_at: datetime
    """When whoever makes it last said so."""
    ended_at: datetime | None
    endpoint: str
    model: str
    cost_micros: int
    """By Kling's list."""
    most_micros: int
    """What it may cost."""
    external_id: str
    """Of its task at Kling."""
    step: str
    """What it was at, at `seen_at`."""
    failure: str | None
    """Why there is no report."""
    report: TrialReport | None


class TrialRow(msgspec.Struct, frozen=True, kw_only=True):
    """A trial of a list."""

    id: int
    state: TrialState
    begun_at: datetime
    ended_at: datetime | None
    actor: str
    endpoint: str
    model: str
    cost_micros: int
    """By Kling's list."""
    most_micros: int
    external_id: str
    seen: int | None
    """Things that its report has; None: it has none."""
    differing: int | None
    """Those of them that are not as relied on."""
    step: str
    failure: str | None


async def open_trial(session: AsyncSession, row: KeptTrial) -> int:
    """Write one down that is about to be made, and return our id of it.

    The caller has the lock of its channel, and has seen that none is open there.
    """
    session.add(row)
    await session.flush()
    return row.id


async def find_open(session: AsyncSession, channel_id: int) -> tuple[KeptTrial, bool] | None:
    """Find the trial of a channel that has not ended, and tell whether somebody is at it."""
    query = select(KeptTrial, _is_made()).where(
        KeptTrial.channel_id == channel_id, KeptTrial.ended_at.is_(None)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def say_at(session: AsyncSession, trial_id: int, step: str, kling_ids: Iterable[str]) -> None:
    """Say that a trial is being made, what it is at, and what Kling calls what it made."""
    await session.execute(
        update(KeptTrial)
        .where(KeptTrial.id == trial_id, KeptTrial.ended_at.is_(None))
        .values(seen_at=func.now(), step=step, kling_ids=sorted(set(kling_ids)))
    )


async def end_trial(
    session: AsyncSession, trial_id: int, *, report: TrialReport | None, failure: str | None
) -> None:
    """Write down how one ended: it has a report, or else a failure. Who is late changes nothing."""
    await session.execute(
        update(KeptTrial)
        .where(KeptTrial.id == trial_id, KeptTrial.ended_at.is_(None))
        .values(
            ended_at=func.now(),
            seen_at=func.now(),
            failure=failure,
            report=None if report is None else msgspec.to_builtins(report),
        )
    )


async def read_trial(session: AsyncSession, trial_id: int) -> ShownTrial:
    """Read one that there is."""
    query = select(KeptTrial, _is_made()).where(KeptTrial.id == trial_id)
    row, is_made = (await session.execute(query)).one()
    return _shown(row, is_made=is_made)


async def find_trial(session: AsyncSession, trial_id: int, *, channel_id: int) -> ShownTrial | None:
    """Find one of a channel's."""
    query = select(KeptTrial, _is_made()).where(
        KeptTrial.id == trial_id, KeptTrial.channel_id == channel_id
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else _shown(found[0], is_made=found[1])


async def list_trials(
    session: AsyncSession, channel_id: int, *, before_id: int | None, limit: int
) -> list[TrialRow]:
    """List those of a channel since they are kept, the newest first."""
    query = select(KeptTrial, _is_made()).where(KeptTrial.channel_id == channel_id)
    if before_id is not None:
        query = query.where(KeptTrial.id < before_id)
    found = await session.execute(query.order_by(KeptTrial.id.desc()).limit(limit))
    return [_row_of(_shown(row, is_made=is_made)) for row, is_made in found]


async def read_last_trial(session: AsyncSession, channel_id: int) -> ShownTrial | None:
    """Read the newest of a channel; None if there is none since they are kept."""
    query = (
        select(KeptTrial, _is_made())
        .where(KeptTrial.channel_id == channel_id)
        .order_by(KeptTrial.id.desc())
        .limit(1)
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else _shown(found[0], is_made=found[1])


async def read_made(session: AsyncSession, channel_id: int) -> set[str]:
    """List Kling's ids of all that trials of a channel have made, as far as they are known."""
    query = select(func.unnest(KeptTrial.kling_ids)).where(KeptTrial.channel_id == channel_id)
    return set(await session.scalars(query))


async def count_begun(session: AsyncSession, channel_id: int, window: Window) -> tuple[int, int]:
    """Count the trials of a channel that were begun in a window, and those without an id here."""
    query = select(
        func.count(), func.count().filter(func.cardinality(KeptTrial.kling_ids) == 0)
    ).where(
        KeptTrial.channel_id == channel_id,
        KeptTrial.begun_at >= window.start,
        KeptTrial.begun_at < window.until,
    )
    begun, unnamed = (await session.execute(query)).one()
    return begun, unnamed


def _is_made() -> ColumnElement[bool]:
    silent = func.make_interval(0, 0, 0, 0, 0, 0, SILENT_S)
    return KeptTrial.seen_at > func.clock_timestamp() - silent


def _shown(row: KeptTrial, *, is_made: bool) -> ShownTrial:
    failure = row.failure
    if row.report is not None:
        state = TrialState.ENDED
    elif failure is not None:
        state = TrialState.FAILED
    elif is_made:
        state = TrialState.RUNNING
    else:
        state, failure = TrialState.LOST, lost_words(row)
    return ShownTrial(
        id=row.id,
        state=state,
        actor=row.actor,
        begun_at=row.begun_at,
        seen_at=row.seen_at,
        ended_at=row.ended_at,
        endpoint=row.endpoint,
        model=row.model,
        cost_micros=row.cost_micros,
        most_micros=row.most_micros,
        external_id=row.injected_id,
        step=row.step,
        failure=failure,
        report=None if row.report is None else msgspec.convert(row.report, TrialReport),
    )


def _row_of(one: ShownTrial) -> TrialRow:
    report = one.report
    return TrialRow(
        id=one.id,
        state=one.state,
        begun_at=one.begun_at,
        ended_at=one.ended_at,
        actor=one.actor,
        endpoint=one.endpoint,
        model=one.model,
        cost_micros=one.cost_micros,
        most_micros=one.most_micros,
        external_id=one.external_id,
        seen=None if report is None else len(report.findings),
        differing=None if report is None else len(report.differing),
        step=one.step,
        failure=one.failure,
    )


def lost_words(row: KeptTrial) -> str:
    """Say what is known of one that nobody is at any more."""
    last = f" It last said: {row.step}." if row.step else ""
    return (
        f"it was begun at {spelt_moment(row.begun_at)}, and its end is not known: the process that"
        f" made it was stopped before.{last} It may have made its task, which is paid then: Kling's"
        f" list of tasks has it under the external id {row.injected_id}. It is not made again by"
        " itself"
    )
