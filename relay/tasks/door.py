"""The one door: whatever ends or moves a task passes here, whoever says so.

Callback, tenant query, look and submit reach it through `Door`, which batches; the desk runs the
same statement inside its own transaction (`pass_in_session`). The order and the number of messages
do not matter (M1, M5): FINISH compares and sets in one transaction with the charge, the release and
the delivery. Nothing here asks Kling.
"""

import asyncio
from enum import StrEnum
from typing import Any

import asyncpg
import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from relay.counts import Counts
from relay.database.batch import Batcher, RowBlocked
from relay.database.committed import once_committed
from relay.database.faults import is_fault
from relay.database.ids import TaskId
from relay.database.line import Line
from relay.ledger.entries import BY_RELAY
from relay.tasks.count_ends import count_end
from relay.tasks.finish import FINISH, FINISH_FOLLOWED, FINISH_LIMITED
from relay.tasks.record import RECORD, RECORD_FOLLOWED
from relay.tasks.tables import TaskState
from relay.tasks.task import BY_OPERATOR, LIVE, TaskRow
from relay.tasks.told import FinishRow

log = structlog.get_logger()

BLOCKED_TRIES = 8
EVENT_BYTES_MAX = 256 * 1024
FULL_REPLY_AFTER_S = 15.0
"""When an end learned by callback is asked for once more, if no tenant's GET did it before."""
LAST_LOOK_AFTER_S = 6 * 3600.0
"""After a release without Kling's word: a create that lay on the wire until then has been made."""


class Via(StrEnum):
    """Who told us."""

    SUBMIT = "submit"
    CALLBACK = "callback"
    QUERY = "query"
    LOOK = "look"
    QUEUE = "queue"
    """It ends, without Kling having it, what its tenant has an id of."""
    OPERATOR = BY_OPERATOR


class Finished(msgspec.Struct, frozen=True):
    """What one message did."""

    moved: bool
    filled: bool = False
    """The state stayed, and the full reply that callbacks lack was added."""
    charged_micros: int | None = None


NOTHING_MOVED = Finished(moved=False)


def end_row(
    task_id: TaskId,
    state: TaskState,
    *,
    via: Via,
    reason: str,
    charge: int = 0,
    look_after_s: float | None = None,
    delivery_body: str | None = None,
    body: bytes | None = None,
    awaits_kling: bool = False,
    is_noted: bool = True,
    actor: str = BY_RELAY,
) -> FinishRow:
    """Spell a state that is not Kling's word: unknown, refused, or the operator's.

    `reason`: of the operator's word, what the tenant reads. `awaits_kling`: ask Kling for its
    full reply, as after an end learned by callback. `is_noted`: False where the caller notes
    what happened.
    """
    reason = reason.replace("\x00", "")  # Kling's words may be in it
    return FinishRow(
        id=task_id,
        state=state.value,
        via=via.value,
        kling_id=None,
        charge_micros=charge,
        deduction=None,
        cost_units=None,
        cost_pack=None,
        cost_cash=None,
        cost_currency=None,
        reply=None,
        kling_created_at=None,
        is_reply_full=state not in LIVE and not awaits_kling,
        fail_message=reason,
        result_ids="[]",
        result_urls="[]",
        kling_request_id=None,
        next_look_s=FULL_REPLY_AFTER_S if awaits_kling else look_after_s,
        delivery_body=delivery_body,
        event=f"{via.value}.{state.value}" if is_noted else None,
        event_body=reason.encode() if body is None else body[:EVENT_BYTES_MAX],
        made="[]",
        actor=actor,
    )


async def pass_in_session(session: AsyncSession, row: FinishRow, *, is_followed: bool) -> Finished:
    """Run FINISH inside a session, as an array of one; it waits for locks as the session does.

    A batcher's row of the same task waits until this session ends, so never await one in it. That
    the task moved stands in the log once the caller has committed, and not if it does not.
    """
    connection = await session.connection()
    # By the driver's own placeholders: they are written for arrays, which a batcher fills.
    values = tuple([value] for value in row)
    statement = FINISH_FOLLOWED if is_followed else FINISH
    record = (await connection.exec_driver_sql(statement, values)).mappings().one_or_none()
    if record is None:  # it took of limits
        done = await connection.exec_driver_sql(FINISH_LIMITED, values)
        record = done.mappings().one_or_none()
    once_committed(session, lambda: _say_moved(row, record))
    return _finished(record)


class Door:
    """Moves tasks; the only object that batches FINISH and RECORD."""

    def __init__(
        self, *, ends: Line, refusals: Line, records: Line, counts: Counts | None = None
    ) -> None:
        """`ends` is durable.

        The others need not be: a lost record of an accepted or refused create is found again by a
        look, so it need not wait for the disk (docs/paths.md, "Path of a submit", step 9).
        """

        def batcher(line: Line, statement: str) -> Batcher:
            return Batcher(line, statement, is_idempotent=True, key=lambda row: row[0])

        self._counts = counts or Counts()
        self._durable = batcher(ends, FINISH)
        self._relaxed = batcher(refusals, FINISH)
        self._records = batcher(records, RECORD)
        # Of followed tasks all are durable: a follower must not hear of what is lost again.
        self._followed = batcher(ends, FINISH_FOLLOWED)
        self._followed_records = batcher(ends, RECORD_FOLLOWED)
        self._limited = batcher(ends, FINISH_LIMITED)
        self._relaxed_limited = batcher(refusals, FINISH_LIMITED)

    async def pass_through(self, row: FinishRow, task: TaskRow, *, durable: bool) -> Finished:
        """Move a task as `row` says, if it is news; `task` is that task as it was read.

        Raises:
            RowBlocked, DatabaseUnavailable: see `database/batch.py`; it may be told again.
        """
        try:
            record = await self._run(row, task, durable=durable)
        except Exception as error:
            # One that the database was away for says nothing of the charge.
            if row.state == TaskState.SUCCEED and (
                isinstance(error, RowBlocked) or not is_fault(error)
            ):
                self._counts.charge_failures.add()
            raise
        _say_moved(row, record)
        count_end(self._counts, row, record, task)
        return _finished(record)

    async def _run(self, row: FinishRow, task: TaskRow, *, durable: bool) -> Any:
        batcher = self._batcher(row, task, durable=durable)
        for tries in range(1, BLOCKED_TRIES + 1):
            try:
                record = await batcher.run(row)
                if record is not None or task.is_limited:
                    return record
                # A limit that was set since the task was read counts it; or it is gone.
                task = msgspec.structs.replace(task, is_limited=True)
                batcher = self._batcher(row, task, durable=durable)
                return await batcher.run(row)
            except (RowBlocked, asyncpg.UniqueViolationError):
                # An operator's session or another replica holds the row; each try waited 250 ms.
                # Or a refused task succeeded late while another took the external id that it gave
                # back: the next try sees that one and leaves the id to it.
                if tries == BLOCKED_TRIES:
                    raise
                await asyncio.sleep(0.05 * tries)
        raise AssertionError("the last try returns or raises")

    async def aclose(self) -> None:
        for batcher in (
            *(self._durable, self._relaxed, self._records),
            *(self._followed, self._followed_records, self._limited, self._relaxed_limited),
        ):
            await batcher.aclose()

    def _batcher(self, row: FinishRow, task: TaskRow, *, durable: bool) -> Batcher:
        is_end = row.state not in LIVE
        if task.is_followed and not is_end:
            return self._followed_records
        if task.is_limited and (is_end or durable):
            return self._limited if durable or task.is_followed else self._relaxed_limited
        if task.is_followed:
            return self._followed
        if durable:
            return self._durable
        return self._relaxed if is_end else self._records


def _say_moved(row: FinishRow, record: Any) -> None:
    """Say in the log what moved, if something did."""
    if record is not None and record["moves"]:
        # That a submit was taken stands in its request's own line.
        is_told = row.via == Via.SUBMIT and row.state == TaskState.SUBMITTED
        tell = log.debug if is_told else log.info
        tell(
            "task.moved",
            id=row.id,
            kling_id=row.kling_id,
            tenant_id=record["tenant_id"],
            before=record["old_state"],
            state=row.state,
            via=row.via,
            charged_micros=record["charged_micros"],
        )


def _finished(record: Any) -> Finished:
    """Read what the statement did."""
    if record is None:
        return NOTHING_MOVED
    return Finished(
        moved=record["moves"],
        filled=record["fills"],
        charged_micros=record["charged_micros"],
    )
