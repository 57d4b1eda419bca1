"""A success that cost more than its price: counted by its price row, and told when that repeats."""

import structlog
from sqlalchemy import text

from relay.database.engine import Sessions
from relay.database.faults import log_failure
from relay.pricing.underquotes import TIMES, note_underquote
from relay.tasks.task import TaskRow

log = structlog.get_logger()

TELL = """
INSERT INTO task_events (task_id, kind, detail) VALUES (:id, 'price.hold_raised', :detail)
"""


class Underquotes:
    """Counts in a transaction of its own, after the task's: it can fail no charge."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def note(self, task: TaskRow, cost_micros: int) -> None:
        """Count one more; after several within an hour its row's hold rises, and it is said."""
        quote = task.quote
        if quote.price_micros <= 0:
            return  # a price of nothing has no multiple, and is the operator's will
        try:
            await self._note(task, cost_micros)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "price.underquote_not_counted", error, id=task.id)

    async def _note(self, task: TaskRow, cost_micros: int) -> None:
        quote = task.quote
        async with self._sessions.begin() as session:
            rise = await note_underquote(
                session, quote.row, price_micros=quote.price_micros, cost_micros=cost_micros
            )
            if rise is None:
                return
            detail = (
                f"Kling took more than the price {TIMES} times within an hour, at most"
                f" {rise:.3f} times as much: that is held from now on for {quote.wanted}"
            )
            await session.execute(text(TELL), {"id": task.id, "detail": detail})
        log.error("price.hold_raised", id=task.id, row=str(quote.wanted), times=str(rise))
