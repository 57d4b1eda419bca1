"""Results that are given once more: to who asks for the same, wants no new one, and pays nothing.

A run keeps a code of all that is sent for it: its capability, and each step with its model and its
whole body, in which a file of the tenant's stands by its content and a URL by its letters, since
nobody fetches it. A later run of an equal code is given the results of the one before, as long as
each file of those is kept. It is a row without steps, which ended as it began, so there is nothing
that could be held or charged. What is asked for twice at once is made twice.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from relay.assets.tables import Asset, AssetState
from relay.database.engine import Sessions
from relay.errors import InvalidParameter
from relay.kling.media import Media, swap_media
from relay.kling.wire import Fields
from relay.runs.named import id_in
from relay.runs.plan import Plan
from relay.runs.tables import Run, RunState, RunStep
from relay.secrets import KeyRing
from relay.tasks.free_calls import Pace
from relay.tenants.caller import Caller

REUSE = "reuse_days"
"""The field of a body that says how old a result may be that is given again."""

_fields = msgspec.json.Decoder(Fields)


class Source(NamedTuple):
    """The run whose results are given again."""

    id: int
    steps: Sequence[RunStep]


class Reuse:
    """Finds results that are given again."""

    def __init__(
        self, sessions: Sessions, keys: KeyRing, *, days_max: int, calls_per_s: float
    ) -> None:
        """`days_max`: 0 is never; `calls_per_s`: of one tenant, by this process."""
        self._sessions = sessions
        self._keys = keys
        self._days_max = days_max
        self._pace = Pace(calls_per_s)

    def days_of(self, asked: dict[str, Any]) -> int:
        """Say how old a result may be that is wanted again; 0 of who wants a new one.

        Raises:
            InvalidParameter: it is no number of days, or of too many.
        """
        days = asked.get(REUSE)
        if days is None:
            return 0
        most = self._days_max or timedelta.max.days
        if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= most:
            raise InvalidParameter(REUSE, f"must be a whole number, 0 to {most}")
        return days

    def is_for(self, caller: Caller) -> bool:
        """Tell whether something of a caller's may be given again: only what it has kept."""
        return self._days_max > 0 and caller.keeps_results

    async def mac_of(self, caller: Caller, plan: Plan) -> bytes | None:
        """Spell the code of what is made; None if it names a file that is not kept.

        None too where nothing is kept of what is made.
        """
        if not self.is_for(caller):
            return None
        bodies = [_fields.decode(msgspec.json.encode(step.body)) for step in plan.steps]
        endpoints = [step.endpoint for step in plan.steps]
        named: set[UUID] = set()
        try:
            for endpoint, fields in zip(endpoints, bodies, strict=True):
                swap_media(endpoint, fields, lambda _, text: _note(named, text))
        except ValueError:
            return None  # it names no file, and is refused for that as it is sent
        kept = await self._contents(caller, named)
        if len(kept) < len(named):
            return None

        def content(_: Media, text: str) -> str:
            return kept[id_in(text)]

        steps = [
            {
                "name": step.name,
                "endpoint": step.endpoint,
                "model": step.model,
                "needs": step.needs,
                "is_result": step.is_result,
                "body": _sorted(swap_media(step.endpoint, fields, content)),
            }
            for step, fields in zip(plan.steps, bodies, strict=True)
        ]
        # The tenant, so that what two of them ask for is not seen to be equal; and what a sandbox
        # makes is given to nobody who pays for Kling's.
        whole = [caller.tenant_id, caller.is_test, plan.kind, steps]
        return self._keys.inputs_mac(msgspec.json.encode(whole))

    def take(self, caller: Caller) -> None:
        """Count one of what is given again: it writes a row, and no limit of creates is told.

        Raises:
            TooManyCalls
        """
        self._pace.take(caller.payer_id)

    async def find(
        self, session: AsyncSession, caller: Caller, mac: bytes, *, days: int
    ) -> Source | None:
        """Find the newest run of a code whose results are all there, and are so old at the most."""
        query = (
            select(Run.id)
            .where(
                Run.tenant_id == caller.tenant_id,
                Run.inputs_mac == mac,
                Run.state == RunState.COMPLETED,
                Run.ended_at > func.now() - timedelta(days=days),
                _is_kept(),
            )
            .order_by(Run.id.desc())
            .limit(1)
        )
        run_id = await session.scalar(query)
        if run_id is None:
            return None
        steps = await session.scalars(
            select(RunStep)
            .where(RunStep.run_id == run_id)
            .order_by(RunStep.place)
            .options(defer(RunStep.body_sealed))
        )
        return Source(run_id, steps.all())

    async def _contents(self, caller: Caller, named: set[UUID]) -> dict[UUID, str]:
        if not named:
            return {}
        query = select(Asset.public_id, Asset.sha256).where(
            Asset.public_id.in_(named),
            Asset.tenant_id == caller.tenant_id,
            Asset.state == AssetState.STORED,
        )
        async with self._sessions() as session:
            found = await session.execute(query)
            return {public_id: f"sha256:{sha256}" for public_id, sha256 in found}


def _is_kept() -> ColumnElement[bool]:
    """Tell whether each result of a run has files, and all of them are in the store.

    The files of a task are noted all at once, so that no row is missing where there is one.
    """
    is_there = (Asset.state == AssetState.STORED) & (Asset.kept_until > func.now())
    files = (
        select(func.coalesce(func.bool_and(is_there), False))
        .where(Asset.task_id == RunStep.task_id)
        .scalar_subquery()
    )
    kept = select(func.bool_and(files)).where(RunStep.run_id == Run.id, RunStep.is_result)
    return kept.scalar_subquery().is_(True)


def _note(named: set[UUID], text: str) -> str:
    named.add(id_in(text))
    return text


def _sorted(fields: Fields) -> list[tuple[str, Raw]]:
    return sorted(fields.items())
