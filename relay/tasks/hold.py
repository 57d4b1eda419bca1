"""Taking a hold: the money and the row, in one durable commit, before Kling hears of the task."""

from datetime import UTC, datetime, timedelta

from relay.database.batch import Batcher, RowBlocked
from relay.database.ids import TaskId
from relay.database.line import DatabaseUnavailable, Line
from relay.errors import ExternalIdTaken, InsufficientQuota, TooManyTasks, Unavailable
from relay.money import decimal_of
from relay.tasks.statements import HOLD, HoldRow
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow


class Holder:
    """Runs HOLD, and says in Kling's terms why it refused."""

    def __init__(self, line: Line, *, currency: str) -> None:
        self._line = line
        self._holds = Batcher(line, HOLD, is_idempotent=True)
        self._currency = currency

    async def take(self, row: HoldRow) -> TaskRow:
        """Hold the amount and insert the task.

        Raises:
            InsufficientQuota, TooManyTasks, ExternalIdTaken: nothing was written.
            Unavailable: the database did not answer. Should the hold have been committed all the
                same, a look releases it after its deadline: nothing was sent.
        """
        while True:
            breaks = self._line.breaks
            try:
                record = await self._holds.run(row)
            except (RowBlocked, DatabaseUnavailable) as error:
                raise Unavailable from error
            outcome = record["outcome"] if record else "no_quota"
            # The try whose connection broke may have come through after this one began to look:
            # then it is refused for the quota that the submit itself holds.
            is_sure = outcome == "held" or self._line.breaks == breaks
            if outcome != "again" and is_sure:
                break
        match outcome:
            case "held" if record is not None:
                return _held_task(row, record["id"], record["injected_id"])
            case "duplicate":
                raise ExternalIdTaken
            case "too_many_tasks":
                raise TooManyTasks
            case "lost":
                raise Unavailable
            case _:
                available = record["available_micros"] if record else 0
                raise InsufficientQuota(
                    needed=f"{decimal_of(row.hold_micros)} {self._currency}",
                    available=f"{decimal_of(available)} {self._currency}",
                    needed_micros=row.hold_micros,
                    available_micros=available,
                )

    async def aclose(self) -> None:
        await self._holds.aclose()


def _held_task(row: HoldRow, task_id: TaskId, injected_id: str) -> TaskRow:
    """Make the row that HOLD has just inserted, without reading it back."""
    now = datetime.now(UTC)
    return TaskRow(
        id=task_id,
        tenant_id=row.tenant_id,
        account_id=row.account_id,
        channel_id=row.channel_id,
        endpoint_name=row.endpoint,
        state=TaskState.PENDING,
        kling_id=None,
        injected_id=injected_id,
        tenant_external_id=row.tenant_external_id,
        callback_url=row.callback_url,
        quote_json=row.quote,
        hold_micros=row.hold_micros,
        charged_micros=None,
        refunded_micros=0,
        reply=None,
        is_followed=bool(row.follows),
        is_reply_full=False,
        fail_message=None,
        created_at=now,
        ended_via=None,
        submit_deadline_at=now + timedelta(seconds=row.deadline_s),
        request_id=row.request_id,
        refreshed_s_ago=0.0,
        is_unasked=None,
    )
