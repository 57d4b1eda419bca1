"""Runs as they are written: the rows of several in a few statements."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.runs.reuse import Source
from relay.runs.stages import spell_event
from relay.runs.statements import LEASE_S
from relay.runs.tables import (
    Run,
    RunEvent,
    RunState,
    RunStep,
    StepState,
    body_context,
    input_context,
)
from relay.runs.turns import DueStep
from relay.runs.wish import Prepared, Wish
from relay.secrets import KeyRing
from relay.tenants.caller import Caller

LEASE = timedelta(seconds=LEASE_S)


class Begun(NamedTuple):
    """A run that there is now."""

    id: int
    public_id: UUID
    due: DueStep | None
    """Its first step, leased by who began it; None if it is the worker's."""
    state: RunState = RunState.PENDING
    is_new: bool = True
    """Whether it was not there before."""
    is_reused: bool = False
    """Whether it was given results of before."""


async def write_runs(
    session: AsyncSession, keys: KeyRing, caller: Caller, prepared: Sequence[Prepared]
) -> list[Begun | None]:
    """Write runs with their steps; None in the place of one that is there already."""
    if not prepared:
        return []
    run_ids, _ = await _reserve(session, "runs", len(prepared))
    written = await session.execute(
        # Of its key, or of its place in a batch.
        insert(Run).on_conflict_do_nothing().returning(Run.id, Run.public_id),
        [_run(keys, caller, *one) for one in zip(run_ids, prepared, strict=True)],
    )
    public_ids = {run.id: run.public_id for run in written}
    new = [one for one in zip(run_ids, prepared, strict=True) if one[0] in public_ids]
    if not new:
        return [None] * len(prepared)
    reserved, now = await _reserve(session, "run_steps", sum(len(one.bodies) for _, one in new))
    step_ids = iter(reserved)
    steps: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    due: dict[int, DueStep] = {}
    for run_id, one in new:
        of_run = [
            _step(keys, next(step_ids), run_id, one, place, now=now)
            | {"tenant_id": caller.tenant_id}
            for place in range(len(one.bodies))
        ]
        if one.wish.batch is None:
            lease = uuid.uuid4()
            of_run[0] |= {"lease": lease, "next_attempt_at": now + LEASE}
            due[run_id] = DueStep(of_run[0]["id"], lease)
        steps += of_run
        events.append(_event(run_id, caller, of_run))
    await session.execute(insert(RunStep), steps)
    await session.execute(insert(RunEvent), events)
    return [
        Begun(run_id, public_ids[run_id], due.get(run_id)) if run_id in public_ids else None
        for run_id in run_ids
    ]


async def write_reused(
    session: AsyncSession, keys: KeyRing, caller: Caller, wish: Wish, source: Source
) -> Begun | None:
    """Write a run that is given results of before, and has no steps; None if it is there already.

    It is no source itself: what it was given is as old as it is.
    """
    (run_id,), now = await _reserve(session, "runs", 1)
    values = _run(keys, caller, run_id, Prepared(wish, [], [])) | {
        "state": RunState.COMPLETED,
        "ended_at": now,
        "reused_from": source.id,
        "cap_micros": 0,
        "inputs_mac": None,
    }
    # Of its key, or of its place in a batch.
    query = insert(Run).values(values).on_conflict_do_nothing().returning(Run.public_id)
    public_id = (await session.execute(query)).scalar_one_or_none()
    if public_id is None:
        return None
    shown = spell_event(Run(id=run_id, state=RunState.COMPLETED), source.steps)
    session.add(RunEvent(run_id=run_id, tenant_id=caller.tenant_id, shown=shown))
    return Begun(run_id, public_id, None, RunState.COMPLETED, is_reused=True)


async def _reserve(session: AsyncSession, table: str, n: int) -> tuple[list[int], datetime]:
    """Take ids before the rows are there: what is sealed in them is sealed for these alone.

    Also says which time it is.
    """
    sequence = func.pg_get_serial_sequence(table, "id")
    rows = await session.execute(
        select(func.nextval(sequence), func.now()).select_from(func.generate_series(1, n))
    )
    taken = rows.all()
    return [row_id for row_id, _ in taken], taken[0][1]


def _run(keys: KeyRing, caller: Caller, run_id: int, prepared: Prepared) -> dict[str, Any]:
    wish = prepared.wish
    batch_id, batch_place = wish.batch or (None, None)
    shown = msgspec.json.encode(wish.input).decode()
    return {
        "id": run_id,
        "tenant_id": caller.tenant_id,
        "token_id": caller.token_id,
        "kind": wish.plan.kind,
        "source": wish.source,
        "input_sealed": keys.seal(shown, context=input_context(run_id)),
        "key": wish.key,
        "fingerprint": None if wish.key is None else wish.fingerprint(),
        "caller_address": wish.address or None,
        "request_id": wish.request_id,
        "quote_micros": prepared.quote_micros,
        "cap_micros": prepared.cap_micros,
        "batch_id": batch_id,
        "batch_place": batch_place,
        "inputs_mac": wish.inputs_mac,
    }


def _step(
    keys: KeyRing, step_id: int, run_id: int, prepared: Prepared, place: int, *, now: datetime
) -> dict[str, Any]:
    step, body = prepared.wish.plan.steps[place], prepared.bodies[place]
    needs = step.all_needs
    return {
        "id": step_id,
        "run_id": run_id,
        "name": step.name,
        "place": place,
        "needs": list(needs),
        "takes": list(step.takes),
        "endpoint": step.endpoint,
        "model": step.model,
        "price_name": step.price_name,
        "share_micros": step.share_micros,
        "is_result": step.is_result,
        "body_sealed": keys.seal(body, context=body_context(step_id)),
        "state": StepState.WAITING if needs else StepState.READY,
        "quote_micros": prepared.quotes[place].hold_micros,
        "next_attempt_at": now,
        "lease": None,
    }


def _event(run_id: int, caller: Caller, steps: list[dict[str, Any]]) -> dict[str, Any]:
    run = Run(id=run_id, state=RunState.PENDING)
    shown = spell_event(run, [RunStep(name=one["name"], state=one["state"]) for one in steps])
    return {"run_id": run_id, "tenant_id": caller.tenant_id, "shown": shown}
