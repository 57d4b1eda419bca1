"""Learning what Kling says of a task, from whichever message says it.

A success is priced by the same figures whoever reports it (M5), so that one without its cost makes
us ask Kling first; then it passes the door.
"""

import msgspec

from relay.database.driver import Pool
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind
from relay.kling.private import IN_TASK, without_private
from relay.kling.queried import as_queried
from relay.kling.references import NamedResource, read_made
from relay.kling.task_object import NO_COST, Status, TaskNews
from relay.kling.verdicts import names_another
from relay.owners.learn import spell_made, unlearn
from relay.pricing.quote import charge_micros, cost_micros, needs_deduction
from relay.tasks.ask import Asker
from relay.tasks.door import EVENT_BYTES_MAX, FULL_REPLY_AFTER_S, Door, Finished, Via
from relay.tasks.tables import TaskState
from relay.tasks.task import LIVE, TaskRow
from relay.tasks.told import FinishRow
from relay.tasks.underquotes import Underquotes
from relay.tasks.view import Shown, show_callback

CHARGE_TOLD_MAX = 2**62
"""An absurd deduction is capped at the hold all the same; Postgres must be able to read it."""


class Unsettled(Exception):
    """A success whose cost Kling has to be asked for, and Kling does not answer. Nothing moved."""


class Learner:
    """Turns Kling's words into rows for the door."""

    def __init__(
        self,
        door: Door,
        asker: Asker,
        catalogue: Catalogue,
        underquotes: Underquotes,
        pool: Pool,
    ) -> None:
        self._pool = pool
        self._door = door
        self._asker = asker
        self._catalogue = catalogue
        self._underquotes = underquotes

    async def learn(
        self,
        task: TaskRow,
        news: TaskNews,
        *,
        via: Via,
        look_after_s: float | None,
        kling_request_id: str | None = None,
        whole: bytes | None = None,
    ) -> Finished:
        """Apply what Kling says of a task.

        `look_after_s`: when to look at it next, should it live on. `whole`: the reply that it
        stands in, to be kept in its place.

        Raises:
            Unsettled: nothing moved; a look will ask again.
        """
        told = news
        is_call = self._catalogue.kind_of(task.endpoint_name) is EndpointKind.CALL
        is_full = via in (Via.QUERY, Via.LOOK) or is_call
        is_new = task.state is not TaskState.SUCCEED  # repeated callbacks cost no question each
        if news.status is Status.SUCCEED and is_new and not is_full and _lacks_cost(task, news):
            news = await self._ask_for_cost(task)
            is_full = True
        state = TaskState((news.status or Status.SUBMITTED).value)
        charge = cost_by_quote = 0
        if state is TaskState.SUCCEED:
            cost_by_quote = min(
                cost_micros(
                    task.quote,
                    deduction=news.deduction,
                    result_seconds=news.result_seconds,
                    package=news.package,
                ),
                CHARGE_TOLD_MAX,
            )
            charge = charge_micros(task.quote, cost_by_quote)
        is_end = state not in LIVE
        made = read_made(news.raw)
        if via is Via.CALLBACK and state is not TaskState.SUCCEED:
            made = []  # nothing is made before the end, and the word is nobody's yet
        reply = without_private(news.raw, IN_TASK, tenant_id=task.tenant_id)
        reply = reply if is_full else as_queried(reply)
        cost = news.cost if is_end else NO_COST  # of a running task it is not the last word
        row = FinishRow(
            id=task.id,
            state=state.value,
            via=via.value,
            kling_id=news.kling_id or told.kling_id,
            charge_micros=charge,
            deduction=news.deduction_raw,
            cost_units=cost.units,
            cost_pack=cost.pack,
            cost_cash=cost.cash,
            cost_currency=cost.currency,
            reply=reply.decode(),
            kling_created_at=news.created_at,
            is_reply_full=is_full and is_end,
            fail_message=news.message if state is TaskState.FAILED else None,
            result_ids=msgspec.json.encode(news.result_ids).decode(),
            result_urls=msgspec.json.encode(news.result_urls).decode(),
            kling_request_id=kling_request_id,
            next_look_s=(None if is_full else FULL_REPLY_AFTER_S) if is_end else look_after_s,
            delivery_body=_delivery(task, reply, min(charge, task.hold_micros)),
            event="callback" if via is Via.CALLBACK else f"reply.{via.value}",
            event_body=(told.raw if whole is None else whole)[:EVENT_BYTES_MAX],
            made=spell_made(made),
        )
        finished = await self._door.pass_through(row, task, durable=is_end)
        if is_full and task.is_hearsay and (false := _claimed(task) - set(made)):
            await unlearn(self._pool, task.id, false)
        # Never by a callback's word: whoever has one task's path would raise everybody's hold.
        is_news = is_full and (finished.moved or finished.filled)
        if is_news and cost_by_quote > task.quote.price_micros:
            await self._underquotes.note(task, cost_by_quote)
        if is_call and finished.charged_micros is None:
            # Told again, after a try whose connection broke: the charge is the same.
            charged_micros = min(charge, task.hold_micros)
            return msgspec.structs.replace(finished, charged_micros=charged_micros)
        return finished

    async def _ask_for_cost(self, task: TaskRow) -> TaskNews:
        """Ask Kling what a success cost: the charge is the same whoever reported it (M5)."""
        answer = await self._asker.ask(task)
        if not isinstance(answer, TaskNews) or answer.status is not Status.SUCCEED:
            raise Unsettled("Kling was asked for its cost, and told of no success")
        return answer


def _lacks_cost(task: TaskRow, news: TaskNews) -> bool:
    if not needs_deduction(task.quote):
        return False
    return news.deduction is None if task.quote.row.units is not None else not news.result_seconds


def _claimed(task: TaskRow) -> set[NamedResource]:
    """Read what the callback that ended a task says that it made."""
    return set(read_made(task.reply.encode())) if task.reply else set()


def _delivery(task: TaskRow, reply: bytes, charged_micros: int) -> str | None:
    if task.callback_url is None:
        return None
    if task.awaits_kling and task.state is TaskState.SUCCEED:
        # The result of what the operator settled: charged as it was then.
        return show_callback(reply, task.shown()).decode(errors="replace")
    shown = Shown(
        tenant_id=task.tenant_id,
        tenant_external_id=task.tenant_external_id,
        quote=task.quote,
        charged_micros=charged_micros,
        given=task.given,
    )
    return show_callback(reply, shown).decode()


def differing_ids(task: TaskRow, news: TaskNews) -> str | None:
    """Say how a message's ids contradict the row, or None if they do not."""
    if names_another(news, task.injected_id):
        return "its external_task_id is another task's"
    if task.kling_id is not None and news.kling_id is not None and news.kling_id != task.kling_id:
        return "its task_id is another task's"
    return None
