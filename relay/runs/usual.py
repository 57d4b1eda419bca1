"""How long a step's task usually takes, as it is known now."""

import msgspec

from relay.database.driver import Pool
from relay.pricing.quote import Quote
from relay.tasks.usual import Alike, Usuals

KIND = """
SELECT t.endpoint, t.model, t.quote::text AS quote, k.is_test
FROM tasks t JOIN tokens k ON k.id = t.token_id WHERE t.id = $1
"""

_quote = msgspec.json.Decoder(Quote)


async def read_usual_s(pool: Pool, usuals: Usuals, task_id: int) -> float | None:
    """Read what half of the tasks like one took at the most; None where there were none lately."""
    task = await pool.fetchrow(KIND, task_id)
    assert task is not None, "tasks are never deleted"
    quote = _quote.decode(task["quote"])
    alike = Alike(
        task["is_test"], task["endpoint"], task["model"], quote.wanted.mode, quote.seconds
    )
    usual = (await usuals.of([alike])).get(alike)
    return None if usual is None else usual.median_s
