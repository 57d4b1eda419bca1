"""What an operator may do, judged in the transaction of the act itself.

The operator's row is locked before anything else of an act. Shared where the act has no ceiling, so
that a role is never taken away beside it; for itself alone where it has one: acts of one operator
that count against a ceiling then follow each other, and each sees what those before it came to.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor, ActorKind
from relay.desk.errors import NotAllowed, OverCeiling
from relay.desk.roles import ACTS, BOUNDED, ceiling_of
from relay.desk.tables import Change
from relay.operators.tables import Operator, Role

CEILING_OF = timedelta(hours=24)


async def admit(session: AsyncSession, actor: Actor, act: str) -> int | None:
    """Let an act begin, and return its ceiling, in micros; None is none.

    Raises:
        NotAllowed: the role may not do it, or the operator was removed.
    """
    if actor.kind is not ActorKind.OPERATOR:
        return None
    is_bounded = act in BOUNDED
    query = select(Operator).where(Operator.id == actor.operator_id, Operator.removed_at.is_(None))
    operator = await session.scalar(
        query.with_for_update(key_share=is_bounded, read=not is_bounded).execution_options(
            populate_existing=True
        )
    )
    if operator is None or operator.name != actor.name:
        raise NotAllowed(act, None)
    role = Role(operator.role)
    if role not in ACTS[act]:
        raise NotAllowed(act, role)
    return ceiling_of(role, act, operator.ceilings) if is_bounded else None


async def check_ceiling(session: AsyncSession, actor: Actor, act: str, ceiling_micros: int) -> None:
    """Compare what the operator did, with the act that was just written, to its ceiling.

    Raises:
        OverCeiling: the act is to be taken back.
    """
    spent = (await read_spent(session, str(actor), [act])).get(act, 0)
    if spent > ceiling_micros:
        raise OverCeiling(act, ceiling_micros=ceiling_micros, spent_micros=spent)


async def read_spent(session: AsyncSession, actor: str, acts: Iterable[str]) -> dict[str, int]:
    """Sum up what an actor's acts came to in the last 24 hours, in micros, by act."""
    query = (
        select(Change.act, func.sum(Change.amount_micros))
        .where(
            Change.actor == actor,
            Change.amount_micros.is_not(None),
            Change.at > func.now() - CEILING_OF,
            Change.act.in_(list(acts)),
        )
        .group_by(Change.act)
    )
    return {act: int(spent or 0) for act, spent in await session.execute(query)}
