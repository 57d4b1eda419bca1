"""How long a step's task usually takes, as it is known now."""

import msgspec
from sqlalchemy import select

from relay.database.engine import Sessions
from relay.pricing.quote import Quote
from relay.tasks.tables import Task
from relay.tasks.usual import Alike, Usuals
from relay.tenants.tables import Token


async def read_usual_s(sessions: Sessions, usuals: Usuals, task_id: int) -> float | None:
    """Read what half of the tasks like one took at the most; None where there were none lately."""
    query = select(Task.endpoint, Task.model, Task.quote, Token.is_test).where(
        Task.id == task_id, Token.id == Task.token_id
    )
    async with sessions() as session:
        task = (await session.execute(query)).one()
    quote = msgspec.convert(task.quote, Quote)
    alike = Alike(task.is_test, task.endpoint, task.model, quote.wanted.mode, quote.seconds)
    usual = (await usuals.of([alike])).get(alike)
    return None if usual is None else usual.median_s
