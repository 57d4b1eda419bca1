"""Runs as they are read: how far each is, what it made, and what it was asked for."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from relay.assets.tables import Asset, AssetState
from relay.database.engine import Sessions
from relay.kling.made_files import read_file_urls
from relay.kling.wire import read_any
from relay.pricing.quote import Quote
from relay.runs.again import why_not_again
from relay.runs.find import find_run
from relay.runs.followed import RunMove, Snapshot
from relay.runs.progress import Progress, progress_of
from relay.runs.stages import Event, Stage, StepAt, event_of
from relay.runs.tables import Run, RunState, RunStep, StepState, input_context
from relay.secrets import KeyRing, SecretKeyError
from relay.tasks.tables import Task

SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
"""A run and its steps as they were at one moment."""
MADE = (StepState.KEEPING, StepState.DONE)
COUNTED_MAX = 10_000
"""Runs that a list counts; more are told as that many."""


class MadeFile(msgspec.Struct, frozen=True):
    """One file that a step made."""

    url: str
    """Kling's, or ours where the tenant wants ours and it is kept."""
    asset: str | None
    """By which id it is kept, once it is."""


class SeenStep(msgspec.Struct, frozen=True):
    """One step, as its tenant sees it."""

    name: str
    endpoint: str
    state: StepState
    task_id: str | None
    """Kling's, or ours of one that waited for room."""
    row_id: int | None
    """Our id of its task's row."""
    quote_micros: int
    """In the payer's money, as the run's is; a sub-tenant's are a factor of it."""
    charged_micros: int
    """What its tenant paid for it, less what was given back; in that one's own money."""
    attempts: int
    error_code: int | None
    error_message: str | None
    is_result: bool
    files: list[MadeFile]
    output: Any
    """`data` of Kling's reply; None while there is none."""
    next_attempt_at: datetime | None
    """When it is tried again, of one that came to nothing."""


class SeenRun(msgspec.Struct, frozen=True):
    """One run, as its tenant sees it."""

    run: Run
    steps: list[SeenStep]
    at: Event
    """How it stood: now, or when it made the move that is told of."""
    updated_at: datetime
    progress: Progress
    input: dict[str, Any] | None
    """None once it is forgotten."""
    no_retry: str | None
    """Why it cannot be done once more; None if it can."""
    reused_from: UUID | None = None
    """Whose results it was given: its steps are that one's, at no charge."""

    @property
    def state(self) -> RunState:
        return self.at.state

    @property
    def stage(self) -> Stage:
        return self.at.stage

    @property
    def files(self) -> list[MadeFile]:
        """What it was asked for, as far as it is made."""
        return [file for step in self.steps if step.is_result for file in step.files]

    @property
    def can_retry(self) -> bool:
        return self.no_retry is None


class RunFilter(NamedTuple):
    """Which runs are listed."""

    tenant_id: int
    state: RunState | None = None
    kind: str | None = None
    before_id: int | None = None
    """Older than this one."""
    batch_id: UUID | None = None


class Runs:
    """Reads them for tenants."""

    def __init__(self, sessions: Sessions, keys: KeyRing) -> None:
        self._sessions = sessions
        self._keys = keys

    async def find(self, public_id: str, *, tenant_id: int) -> SeenRun | None:
        """Read a run by the id that its tenant knows; None of one that is another's, or is none."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            run_id = await find_run(session, public_id, tenant_id=tenant_id)
            rows = None if run_id is None else await _read_rows(session, [run_id])
        return None if rows is None else self._see(rows)[0]

    async def of(self, ids: Sequence[int]) -> list[SeenRun]:
        """Read runs, in the order that is given."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            rows = await _read_rows(session, ids)
        return self._see(rows)

    async def standing(
        self, tenant_id: int, run_id: int | None = None, *, limit: int
    ) -> tuple[list[SeenRun], Snapshot]:
        """Read one run, or the newest open ones of a tenant; and what has happened by then."""
        query = select(Run.id).where(Run.tenant_id == tenant_id)
        if run_id is None:
            query = query.where(Run.ended_at.is_(None)).order_by(Run.id.desc()).limit(limit)
        else:
            query = query.where(Run.id == run_id)
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            snapshot = await session.scalar(text("SELECT pg_current_snapshot()::text"))
            assert snapshot is not None, "there is one"
            rows = await _read_rows(session, (await session.scalars(query)).all())
        return self._see(rows), Snapshot.read(snapshot)

    async def at_moves(self, moves: Sequence[RunMove]) -> dict[int, SeenRun]:
        """Read runs as they were after moves of theirs, by the moves' ids."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            rows = await _read_rows(session, list({move.run_id for move in moves}))
        now = {seen.run.id: seen for seen in self._see(rows)}
        steps = {run.id: steps for run, steps in rows.runs}
        return {
            move.id: _then(now[move.run_id], move, steps[move.run_id], rows)
            for move in moves
            if move.run_id in now
        }

    async def page(
        self, wanted: RunFilter, *, limit: int, offset: int
    ) -> tuple[list[SeenRun], int]:
        """Read runs, newest first, and say how many there are, up to `COUNTED_MAX`."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            ids, total = await list_runs(session, wanted, limit=limit, offset=offset)
            rows = await _read_rows(session, ids)
        return self._see(rows), total

    def _see(self, rows: "_Rows") -> list[SeenRun]:
        """Say how far runs are."""
        return [
            SeenRun(
                run,
                [
                    _seen(step, rows.tasks.get(step.task_id or 0), rows.assets, run)
                    for step in steps
                ],
                event_of(run, steps),
                run.updated_at,
                progress_of(
                    RunState(run.state),
                    [_at(step, StepState(step.state), rows) for step in steps],
                    now=rows.now,
                ),
                (given := self._input(run)),
                why_not_again(run, steps, rows.assets, is_forgotten=given is None, now=rows.now),
                rows.sources.get(run.reused_from or 0),
            )
            for run, steps in rows.runs
        ]

    def _input(self, run: Run) -> dict[str, Any] | None:
        if run.input_sealed is None:
            return None
        try:
            opened = self._keys.open(run.input_sealed, context=input_context(run.id))
        except SecretKeyError:
            return None
        read: dict[str, Any] = msgspec.json.decode(opened)
        return read


class _Rows(NamedTuple):
    """Runs of one snapshot, and what belongs to them."""

    runs: list[tuple[Run, list[RunStep]]]
    tasks: dict[int, Task]
    assets: dict[int, dict[str, str]]
    sources: dict[int, UUID]
    """Runs whose results others were given, by our ids of them: what they are called outside."""
    now: datetime


async def _read_rows(session: AsyncSession, ids: Sequence[int]) -> _Rows:
    runs = {run.id: run for run in await session.scalars(select(Run).where(Run.id.in_(ids)))}
    reused = {run.reused_from for run in runs.values() if run.reused_from is not None}
    steps: dict[int, list[RunStep]] = {id_: [] for id_ in reused | runs.keys()}
    query = (
        select(RunStep)
        .where(RunStep.run_id.in_(steps))
        .order_by(RunStep.place)
        .options(defer(RunStep.body_sealed))
    )
    for step in await session.scalars(query):
        steps[step.run_id].append(step)
    task_ids = [
        step.task_id for of_one in steps.values() for step in of_one if step.task_id is not None
    ]
    tasks = await session.scalars(select(Task).where(Task.id.in_(task_ids)))
    sources = select(Run.id, Run.public_id).where(Run.id.in_(reused))
    named = await session.execute(sources) if reused else ()
    now = await session.scalar(select(func.now()))
    assert now is not None, "a clock tells a time"
    return _Rows(
        [(runs[id_], steps[runs[id_].reused_from or id_]) for id_ in ids if id_ in runs],
        {task.id: task for task in tasks},
        await _assets_of(session, task_ids),
        {row.id: row.public_id for row in named},
        now,
    )


async def list_runs(
    session: AsyncSession, wanted: RunFilter, *, limit: int, offset: int
) -> tuple[list[int], int]:
    """List ids of runs, newest first, and say how many there are, up to `COUNTED_MAX`."""
    query = select(Run.id).where(Run.tenant_id == wanted.tenant_id)
    if wanted.state is not None:
        query = query.where(Run.state == wanted.state)
    if wanted.kind is not None:
        query = query.where(Run.kind == wanted.kind)
    if wanted.batch_id is not None:
        query = query.where(Run.batch_id == wanted.batch_id)
    query = query.order_by(Run.id.desc())
    page = query if wanted.before_id is None else query.where(Run.id < wanted.before_id)
    ids = await session.scalars(page.limit(limit).offset(offset))
    total = await session.scalar(
        select(func.count()).select_from(query.limit(COUNTED_MAX).subquery())
    )
    return list(ids.all()), total or 0


def _paid_micros(task: Task | None) -> int:
    if task is None or task.charged_micros is None:
        return 0
    quote = msgspec.convert(task.quote, Quote)
    return quote.resold(task.charged_micros - task.refunded_micros)


def _seen(
    step: RunStep, task: Task | None, assets: dict[int, dict[str, str]], run: Run
) -> SeenStep:
    is_own = run.reused_from is None
    output = None if step.output is None else read_any(step.output.encode())
    kept = assets.get(step.task_id or 0, {})
    files = []
    if step.output is not None:
        urls = read_file_urls(step.output.encode())
        files = [MadeFile(url, kept.get(url.partition("?")[0])) for url in urls]
    is_put_off = step.state == StepState.READY and step.attempts > 0
    return SeenStep(
        step.name,
        step.endpoint,
        StepState(step.state),
        None if task is None else (task.public_id or task.kling_id),
        step.task_id,
        step.quote_micros if is_own else 0,
        _paid_micros(task) if is_own else 0,
        step.attempts,
        step.error_code,
        step.error_message,
        step.is_result,
        files,
        output,
        step.next_attempt_at if is_put_off else None,
    )


def _at(step: RunStep, state: StepState, rows: _Rows) -> StepAt:
    """Say of a step in some state of its own how far it is."""
    task = rows.tasks.get(step.task_id or 0)
    return StepAt(state, None if task is None else task.submitted_at, step.ended_at, step.usual_s)


def _then(seen: SeenRun, move: RunMove, steps: Sequence[RunStep], rows: _Rows) -> SeenRun:
    """Say how a run was after a move: what it has by now, only if it has not moved since."""
    at = move.at
    if at == seen.at:
        return seen
    states = [at.steps.get(step.name, StepState.WAITING) for step in steps]
    then = [_at(step, state, rows) for step, state in zip(steps, states, strict=True)]
    return msgspec.structs.replace(
        seen,
        at=at,
        updated_at=move.created_at,
        progress=progress_of(at.state, then, now=move.created_at),
        steps=[
            msgspec.structs.replace(
                step,
                state=state,
                files=step.files if state in MADE else [],
                next_attempt_at=None,
            )
            for step, state in zip(seen.steps, states, strict=True)
        ],
    )


async def _assets_of(session: AsyncSession, task_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """Find what is kept of tasks' files, by task and by the URL before its query."""
    query = select(Asset.task_id, Asset.source_url, Asset.public_id).where(
        Asset.task_id.in_(list(task_ids)), Asset.state == AssetState.STORED
    )
    found: dict[int, dict[str, str]] = {}
    for task_id, url, public_id in await session.execute(query):
        assert task_id is not None, "it was looked for by it"
        assert url is not None, "a result has one, by a constraint"
        found.setdefault(task_id, {})[url.partition("?")[0]] = str(public_id)
    return found
