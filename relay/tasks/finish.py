"""The one door: whatever we learn of a task, from whomever, passes here.

Callback, tenant query, look, submit and operator all call `Finisher.learn` or `Finisher.end`. The
order and the number of messages do not matter (M1, M5): FINISH compares and sets in one transaction
with the charge, the release and the delivery, and a success is priced by the same figures whoever
reports it.
"""

import asyncio
from enum import StrEnum

import asyncpg
import msgspec
import structlog

from relay.database.batch import Batcher, RowBlocked
from relay.database.line import Line
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Kind
from relay.kling.references import read_made
from relay.kling.wire import Status, TaskNews
from relay.owners.own import spell_made
from relay.pricing.quote import charge_micros, needs_deduction
from relay.tasks.ask import Asker
from relay.tasks.record import RECORD
from relay.tasks.statements import FINISH, FinishRow
from relay.tasks.tables import TaskState
from relay.tasks.task import LIVE, TaskRow
from relay.tasks.view import Shown, show_callback

log = structlog.get_logger()

BLOCKED_TRIES = 8
EVENT_BYTES_MAX = 256 * 1024
CHARGE_TOLD_MAX = 2**62
"""An absurd deduction is capped at the hold all the same; Postgres must be able to read it."""
FULL_REPLY_AFTER_S = 15.0
"""When an end learned by callback is asked for once more, if no tenant's GET did it before."""


class Via(StrEnum):
    """Who told us."""

    SUBMIT = "submit"
    CALLBACK = "callback"
    QUERY = "query"
    LOOK = "look"
    OPERATOR = "operator"


class Finished(msgspec.Struct, frozen=True):
    """What one message did."""

    moved: bool
    filled: bool = False
    """The state stayed, and the full reply that callbacks lack was added."""
    charged_micros: int | None = None


class Unsettled(Exception):
    """A success whose cost Kling has to be asked for, and Kling does not answer. Nothing moved."""


class Finisher:
    """Moves tasks; the only object that runs FINISH and RECORD."""

    def __init__(
        self,
        asker: Asker,
        catalogue: Catalogue,
        *,
        ends: Line,
        refusals: Line,
        records: Line,
    ) -> None:
        """`ends` is durable.

        The others need not be: a lost record of an accepted or refused create is found again by a
        look, so it need not wait for the disk (design.md, "Path of a submit", step 9).
        """

        def batcher(line: Line, statement: str) -> Batcher:
            return Batcher(line, statement, is_idempotent=True, key=lambda row: row[0])

        self._durable = batcher(ends, FINISH)
        self._relaxed = batcher(refusals, FINISH)
        self._records = batcher(records, RECORD)
        self._asker = asker
        self._catalogue = catalogue

    async def learn(
        self,
        task: TaskRow,
        news: TaskNews,
        *,
        via: Via,
        look_after_s: float | None,
        kling_request_id: str | None = None,
    ) -> Finished:
        """Apply what Kling says of a task.

        `look_after_s`: when to look at it next, should it live on.

        Raises:
            Unsettled: nothing moved; a look will ask again.
        """
        told = news
        is_call = self._catalogue.kind_of(task.endpoint_name) is Kind.CALL
        is_full = via in (Via.QUERY, Via.LOOK) or is_call
        is_new = task.state is not TaskState.SUCCEED  # repeated callbacks cost no question each
        if news.status is Status.SUCCEED and is_new and not is_full and _lacks_cost(task, news):
            news = await self._ask_for_cost(task)
            is_full = True
        state = TaskState((news.status or Status.SUBMITTED).value)
        charge = 0
        if state is TaskState.SUCCEED:
            charge = charge_micros(
                task.quote,
                deduction=news.deduction,
                result_seconds=news.result_seconds,
                package=news.package,
            )
            charge = min(charge, CHARGE_TOLD_MAX)
        is_end = state not in LIVE
        row = FinishRow(
            id=task.id,
            state=state.value,
            via=via.value,
            task_id=news.task_id or told.task_id,
            charge_micros=charge,
            deduction=news.deduction_raw,
            reply=news.raw.decode(errors="replace"),
            is_reply_full=is_full and is_end,
            fail_message=news.message if state is TaskState.FAILED else None,
            result_ids=msgspec.json.encode(news.result_ids).decode(),
            result_urls=msgspec.json.encode(news.result_urls).decode(),
            kling_request_id=kling_request_id,
            next_look_s=(None if is_full else FULL_REPLY_AFTER_S) if is_end else look_after_s,
            delivery_body=_delivery(task, news, min(charge, task.hold_micros)),
            event="callback" if via is Via.CALLBACK else f"reply.{via.value}",
            event_body=told.raw[:EVENT_BYTES_MAX],
            made=spell_made(read_made(news.raw)),
        )
        return await self._run(row, durable=is_end)

    async def end(
        self,
        task_id: int,
        state: TaskState,
        *,
        via: Via,
        reason: str,
        charge: int = 0,
        look_after_s: float | None = None,
        delivery_body: str | None = None,
        body: bytes | None = None,
        has_result_at_kling: bool = False,
    ) -> Finished:
        """Move a task without a word of Kling about it: unknown, refused, or by the operator.

        `has_result_at_kling`: ask Kling for the full reply, as after an end learned by callback.
        """
        reason = reason.replace("\x00", "")  # Kling's words may be in it
        row = FinishRow(
            id=task_id,
            state=state.value,
            via=via.value,
            task_id=None,
            charge_micros=charge,
            deduction=None,
            reply=None,
            is_reply_full=state not in LIVE and not has_result_at_kling,
            fail_message=reason,
            result_ids="[]",
            result_urls="[]",
            kling_request_id=None,
            next_look_s=FULL_REPLY_AFTER_S if has_result_at_kling else look_after_s,
            delivery_body=delivery_body,
            event=f"{via.value}.{state.value}",
            event_body=reason.encode() if body is None else body[:EVENT_BYTES_MAX],
            made="[]",
        )
        return await self._run(row, durable=via is Via.OPERATOR)

    async def aclose(self) -> None:
        await self._durable.aclose()
        await self._relaxed.aclose()
        await self._records.aclose()

    async def _ask_for_cost(self, task: TaskRow) -> TaskNews:
        """Ask Kling what a success cost: the charge is the same whoever reported it (M5)."""
        answer = await self._asker.ask(task)
        if not isinstance(answer, TaskNews) or answer.status is not Status.SUCCEED:
            raise Unsettled("Kling was asked for its cost, and told of no success")
        return answer

    async def _run(self, row: FinishRow, *, durable: bool) -> Finished:
        is_end = row.state not in LIVE
        relaxed = self._relaxed if is_end else self._records
        batcher = self._durable if durable else relaxed
        for tries in range(1, BLOCKED_TRIES + 1):
            try:
                record = await batcher.run(row)
                break
            except (RowBlocked, asyncpg.UniqueViolationError):
                # An operator's session or another replica holds the row; each try waited 250 ms.
                # Or a refused task succeeded late while another took the external id that it gave
                # back: the next try sees that one and leaves the id to it.
                if tries == BLOCKED_TRIES:
                    raise
                await asyncio.sleep(0.05 * tries)
        else:
            raise AssertionError("the last try breaks or raises")
        if record is None:
            return Finished(moved=False)
        if record["moves"]:
            # That a submit was taken stands in its request's own line.
            is_told = row.via == Via.SUBMIT and row.state == TaskState.SUBMITTED
            tell = log.debug if is_told else log.info
            tell(
                "task.moved",
                id=row.id,
                task_id=row.task_id,
                tenant_id=record["tenant_id"],
                before=record["old_state"],
                state=row.state,
                via=row.via,
                charged_micros=record["charged_micros"],
            )
        return Finished(
            moved=record["moves"],
            filled=record["fills"],
            charged_micros=record["charged_micros"],
        )


def _lacks_cost(task: TaskRow, news: TaskNews) -> bool:
    if not needs_deduction(task.quote):
        return False
    return news.deduction is None if task.quote.row.units is not None else not news.result_seconds


def _delivery(task: TaskRow, news: TaskNews, charged_micros: int) -> str | None:
    if task.callback_url is None:
        return None
    shown = Shown(
        tenant_id=task.tenant_id,
        tenant_external_id=task.tenant_external_id,
        quote=task.quote,
        charged_micros=charged_micros,
    )
    return show_callback(news.raw, shown).decode(errors="replace")
