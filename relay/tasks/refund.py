"""Giving back what was charged for a task: the entry, and what the task says of it."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.ledger.entries import refund_charge
from relay.limits.statements import GIVE_BACK_REFUND
from relay.tasks.task import TaskRow

NOTE_REFUND = """
UPDATE tasks SET refunded_micros = refunded_micros + :amount_micros WHERE id = :id
"""


async def refund_task(
    session: AsyncSession, task: TaskRow, *, amount_micros: int, reason: str, actor: str
) -> None:
    """Give back a part of a task's charge, or all of it, as one more entry.

    The caller has the task locked, and has read it since. More than is left of the charge breaks a
    constraint.
    """
    values = {"id": task.id, "amount_micros": amount_micros}
    await session.execute(text(NOTE_REFUND), values)
    await refund_charge(
        session,
        task.account_id,
        task_id=task.id,
        amount_micros=amount_micros,
        reason=reason,
        actor=actor,
    )
    if task.is_limited:
        given = {"task_id": task.id, "amount_micros": amount_micros}
        await session.execute(text(GIVE_BACK_REFUND), given)
