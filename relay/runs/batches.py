"""Batches: creates that came in one request, each of them a run by itself.

A batch is a row, and a run has its place in it: whoever sends it again under its key finds what was
written the first time, and what was not is asked for anew. Nothing of it is sent by who asks: its
runs wait as they are, and the worker serves their tenant among all others.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.errors import InvalidParameter
from relay.ledger.tables import Account
from relay.runs.stop import cancel_run
from relay.runs.tables import Run, RunBatch, RunState, RunStep, StepState
from relay.tenants.caller import Caller
from relay.tenants.tables import Tenant, Token

ITEMS_MAX = 500


class InBatch(NamedTuple):
    """A run of a batch."""

    public_id: UUID
    state: RunState
    is_reused: bool
    """Whether it was given results of before."""


class OpenedBatch(NamedTuple):
    """A batch that can be written to."""

    id: UUID
    made: dict[int, InBatch]
    """What was written of it before, by its place."""
    room_micros: int
    """What the account has left, once all that waits to be held is."""


class LockedBatch(NamedTuple):
    """A batch that nobody else writes to until the transaction is over."""

    places: frozenset[int]
    """Where something was written by now."""
    quoted_micros: int
    """What that may cost, in the payer's money."""
    is_cancelled: bool


class SeenBatch(NamedTuple):
    """A batch, as its tenant sees it."""

    id: UUID
    token_id: int
    items: int
    created_at: datetime
    states: dict[RunState, int]
    """How many runs of it stand where; what was refused is none."""
    quote_micros: int
    """What its runs may cost, in the payer's money."""


class Batches:
    """Opens, shows and stops them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def open(
        self, caller: Caller, *, key: str | None, fingerprint: bytes, items: int
    ) -> OpenedBatch:
        """Write a batch's row, or find the one that came with the same key.

        Raises:
            InvalidParameter: the key came with another batch.
        """
        async with self._sessions.begin() as session:
            batch_id = await session.scalar(
                insert(RunBatch)
                .values(
                    tenant_id=caller.tenant_id,
                    token_id=caller.token_id,
                    key=key,
                    fingerprint=None if key is None else fingerprint,
                    items=items,
                )
                .on_conflict_do_nothing()
                .returning(RunBatch.id)
            )
            made: dict[int, InBatch] = {}
            if batch_id is None:
                batch_id = await _find_by_key(session, caller, key, fingerprint)
                # Not whole rows: five hundred inputs may be as large as all memory that there is.
                columns = (Run.batch_place, Run.public_id, Run.state, Run.reused_from)
                rows = select(*columns).where(Run.batch_id == batch_id)
                for place, public_id, state, source in await session.execute(rows):
                    assert place is not None, "by a constraint"
                    made[place] = InBatch(public_id, RunState(state), source is not None)
            account = await session.get_one(Account, caller.account_id)
            room_micros = account.available_micros - await _promised_micros(session, caller)
        return OpenedBatch(batch_id, made, room_micros)

    async def find(self, batch_id: UUID, *, tenant_id: int) -> SeenBatch | None:
        """Read a batch; None of one that is another's, or is none."""
        async with self._sessions() as session:
            batch = await session.scalar(
                select(RunBatch).where(RunBatch.id == batch_id, RunBatch.tenant_id == tenant_id)
            )
            if batch is None:
                return None
            counted = await session.execute(
                select(Run.state, func.count(), func.sum(Run.quote_micros))
                .where(Run.batch_id == batch_id)
                .group_by(Run.state)
            )
            rows = counted.all()
        return SeenBatch(
            batch.id,
            batch.token_id,
            batch.items,
            batch.created_at,
            {RunState(state): count for state, count, _ in rows},
            sum(int(micros) for _, _, micros in rows),
        )

    async def cancel(self, batch_id: UUID, *, tenant_id: int, actor: str) -> None:
        """Begin nothing new of a batch, and take back what waits; each run in its own transaction.

        All five hundred in one would hold up the followers of everybody's runs meanwhile.
        """
        async with self._sessions.begin() as session:
            # Before: who writes to it now is awaited, and what that wrote is found.
            await session.execute(
                update(RunBatch)
                .where(RunBatch.id == batch_id, RunBatch.tenant_id == tenant_id)
                .values(cancelled_at=func.coalesce(RunBatch.cancelled_at, func.now()))
            )
        for run_id in await self._open_runs(batch_id, tenant_id=tenant_id):
            async with self._sessions.begin() as session:
                await cancel_run(session, run_id, actor=actor)

    async def _open_runs(self, batch_id: UUID, *, tenant_id: int) -> Sequence[int]:
        query = (
            select(Run.id)
            .where(Run.batch_id == batch_id, Run.tenant_id == tenant_id, Run.ended_at.is_(None))
            # Those behind first: the worker begins with those before, and is not raced.
            .order_by(Run.batch_place.desc())
        )
        async with self._sessions() as session:
            return (await session.scalars(query)).all()


async def lock_batch(session: AsyncSession, batch_id: UUID) -> LockedBatch:
    """Have others wait who write to a batch, or stop it, and read how it is then.

    Who sends it twice at once has two requests that write to it.
    """
    query = select(RunBatch.cancelled_at).where(RunBatch.id == batch_id)
    cancelled_at = await session.scalar(query.with_for_update(key_share=True))
    written = await session.execute(
        select(Run.batch_place, Run.quote_micros).where(Run.batch_id == batch_id)
    )
    rows = written.all()
    return LockedBatch(
        frozenset(place for place, _ in rows if place is not None),
        sum(micros for _, micros in rows),
        cancelled_at is not None,
    )


async def _find_by_key(
    session: AsyncSession, caller: Caller, key: str | None, fingerprint: bytes
) -> UUID:
    query = select(RunBatch.id, RunBatch.fingerprint).where(
        RunBatch.token_id == caller.token_id, RunBatch.key == key
    )
    found = (await session.execute(query)).one()
    if found.fingerprint != fingerprint:
        raise InvalidParameter("Idempotency-Key", "was used for another request")
    return UUID(str(found.id))


async def _promised_micros(session: AsyncSession, caller: Caller) -> int:
    """Sum what open runs of an account will hold yet: it is not to be spent twice."""
    return (
        await session.scalar(
            select(func.sum(RunStep.quote_micros - RunStep.reserved_micros))
            .join(Run, Run.id == RunStep.run_id)
            .join(Tenant, Tenant.id == Run.tenant_id)
            .join(Token, Token.id == Run.token_id)
            .where(
                Tenant.account_id == caller.account_id,
                ~Token.is_test,
                Run.ended_at.is_(None),
                RunStep.state.in_((StepState.WAITING, StepState.READY)),
            )
        )
        or 0
    )
