"""Runs as they are read: how far each is, what it made, and what it was asked for."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.tables import Asset, AssetState
from relay.database.engine import Sessions
from relay.kling.made_files import read_file_urls
from relay.kling.wire import read_any
from relay.pricing.quote import Quote
from relay.runs.find import find_run
from relay.runs.progress import Known, Progress, progress_of
from relay.runs.stages import Stage, stage_of
from relay.runs.tables import Run, RunState, RunStep, StepState, input_context
from relay.secrets import KeyRing, SecretKeyError
from relay.tasks.tables import Task
from relay.tasks.usual import Alike, Usuals
from relay.tenants.tables import Token

SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
"""A run and its steps as they were at one moment."""
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
    reserved_micros: int
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
    stage: Stage
    progress: Progress
    input: dict[str, Any] | None
    """None once it is forgotten."""

    @property
    def files(self) -> list[MadeFile]:
        """What it was asked for, as far as it is made."""
        return [file for step in self.steps if step.is_result for file in step.files]

    @property
    def can_retry(self) -> bool:
        return self.run.state in (RunState.FAILED, RunState.CANCELLED) and self.input is not None


class RunFilter(NamedTuple):
    """Which runs are listed."""

    tenant_id: int
    state: RunState | None = None
    kind: str | None = None


class Runs:
    """Reads them for tenants."""

    def __init__(self, sessions: Sessions, keys: KeyRing, usuals: Usuals) -> None:
        self._sessions = sessions
        self._keys = keys
        self._usuals = usuals

    async def find(self, public_id: str, *, tenant_id: int) -> SeenRun | None:
        """Read a run by the id that its tenant knows; None of one that is another's, or is none."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            run_id = await find_run(session, public_id, tenant_id=tenant_id)
            rows = None if run_id is None else await _read_rows(session, [run_id])
        return None if rows is None else (await self._see(rows))[0]

    async def of(self, ids: Sequence[int]) -> list[SeenRun]:
        """Read runs, in the order that is given."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            rows = await _read_rows(session, ids)
        return await self._see(rows)

    async def page(
        self, wanted: RunFilter, *, limit: int, offset: int
    ) -> tuple[list[SeenRun], int]:
        """Read runs, newest first, and say how many there are, up to `COUNTED_MAX`."""
        async with self._sessions() as session:
            await session.execute(SNAPSHOT)
            ids, total = await _list_runs(session, wanted, limit=limit, offset=offset)
            rows = await _read_rows(session, ids)
        return await self._see(rows), total

    async def _see(self, rows: "_Rows") -> list[SeenRun]:
        """Say how far runs are; no connection is held meanwhile."""
        kinds = {
            step.id: _alike(rows.tasks[step.task_id], is_test=run.token_id in rows.test_tokens)
            for run, steps in rows.runs
            for step in steps
            if step.state == StepState.SENT and step.task_id in rows.tasks
        }
        usual = await self._usuals.of(kinds.values())
        known: Known = {step_id: usual.get(kind) for step_id, kind in kinds.items()}
        return [
            SeenRun(
                run,
                [_seen(step, rows.tasks.get(step.task_id or 0), rows.assets) for step in steps],
                stage_of(steps),
                progress_of(run, steps, known, now=rows.now),
                self._input(run),
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
    test_tokens: set[int]
    now: datetime


async def _read_rows(session: AsyncSession, ids: Sequence[int]) -> _Rows:
    runs = {run.id: run for run in await session.scalars(select(Run).where(Run.id.in_(ids)))}
    steps: dict[int, list[RunStep]] = {id_: [] for id_ in runs}
    query = select(RunStep).where(RunStep.run_id.in_(runs)).order_by(RunStep.place)
    for step in await session.scalars(query):
        steps[step.run_id].append(step)
    task_ids = [
        step.task_id for of_one in steps.values() for step in of_one if step.task_id is not None
    ]
    tasks = await session.scalars(select(Task).where(Task.id.in_(task_ids)))
    test = await session.scalars(
        select(Token.id).where(Token.id.in_({run.token_id for run in runs.values()}), Token.is_test)
    )
    now = await session.scalar(select(func.now()))
    assert now is not None, "a clock tells a time"
    return _Rows(
        [(runs[id_], steps[id_]) for id_ in ids if id_ in runs],
        {task.id: task for task in tasks},
        await _assets_of(session, task_ids),
        set(test),
        now,
    )


async def _list_runs(
    session: AsyncSession, wanted: RunFilter, *, limit: int, offset: int
) -> tuple[list[int], int]:
    """List ids of runs, newest first, and say how many there are, up to `COUNTED_MAX`."""
    query = select(Run.id).where(Run.tenant_id == wanted.tenant_id)
    if wanted.state is not None:
        query = query.where(Run.state == wanted.state)
    if wanted.kind is not None:
        query = query.where(Run.kind == wanted.kind)
    query = query.order_by(Run.id.desc())
    ids = await session.scalars(query.limit(limit).offset(offset))
    total = await session.scalar(
        select(func.count()).select_from(query.limit(COUNTED_MAX).subquery())
    )
    return list(ids.all()), total or 0


def _seen(step: RunStep, task: Task | None, assets: dict[int, dict[str, str]]) -> SeenStep:
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
        step.reserved_micros,
        step.attempts,
        step.error_code,
        step.error_message,
        step.is_result,
        files,
        output,
        step.next_attempt_at if is_put_off else None,
    )


def _alike(task: Task, *, is_test: bool) -> Alike:
    quote = msgspec.convert(task.quote, Quote)
    return Alike(is_test, task.endpoint, task.model, quote.wanted.mode, quote.seconds)


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
