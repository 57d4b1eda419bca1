"""Operators as a file has them: who they are and what each may do, without their tokens."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.errors import Unusable
from relay.desk.operators import add_operator, change_operator, remove_operator
from relay.desk.setup.entries import OperatorEntry
from relay.desk.setup.file import Labelled
from relay.desk.setup.plan import labelled
from relay.operators.read import read_operators
from relay.operators.tables import Operator


async def put_operators(
    session: AsyncSession, actor: Actor, entries: Labelled[OperatorEntry]
) -> None:
    there = {row.name: row for row in await read_operators(session)}
    for label, entry in entries:
        row = there.get(entry.name)
        with labelled(label):
            if entry.remove:
                if row is not None:
                    await remove_operator(session, actor, entry.name)
            elif row is not None:
                if _is_so(row, entry):
                    continue  # who may only look may see that nothing is to be done
                await change_operator(
                    *(session, actor, entry.name),
                    role=entry.role,
                    ceilings=entry.ceilings_micros,
                )
            elif entry.role is None:
                raise Unusable("a new operator needs its role")
            else:
                await add_operator(
                    *(session, actor, entry.name),
                    role=entry.role,
                    ceilings=entry.ceilings_micros,
                )


def _is_so(row: Operator, entry: OperatorEntry) -> bool:
    wanted = entry.ceilings_micros.items()
    return entry.role in (None, row.role) and all(
        row.ceilings.get(act) == most for act, most in wanted
    )
