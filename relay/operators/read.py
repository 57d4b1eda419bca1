"""Operators and their tokens as they are read; nothing here writes."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.operators.tables import Operator, OperatorToken


async def find_operator(
    session: AsyncSession, name: str, *, is_locked: bool = False
) -> Operator | None:
    """Find one by its name; `is_locked`: and hold it, read anew, until the commit."""
    query = select(Operator).where(Operator.name == name)
    if is_locked:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return await session.scalar(query)


async def read_operators(session: AsyncSession, *, with_removed: bool = False) -> list[Operator]:
    """Read every operator, by name; removed ones last."""
    query = select(Operator).order_by(Operator.removed_at.desc().nulls_first(), Operator.name)
    if not with_removed:
        query = query.where(Operator.removed_at.is_(None))
    return list(await session.scalars(query))


async def read_operator_tokens(
    session: AsyncSession, operator: Operator | None = None
) -> list[tuple[OperatorToken, str]]:
    """Read tokens, of one operator or of all, each with its operator's name; oldest first."""
    query = (
        select(OperatorToken, Operator.name)
        .join(Operator, Operator.id == OperatorToken.operator_id)
        .order_by(OperatorToken.id)
    )
    if operator is not None:
        query = query.where(OperatorToken.operator_id == operator.id)
    return [(token, name) for token, name in await session.execute(query)]
