"""Asking Kling about a task, and what its silence means (D2).

A live task is asked for by Kling's id, or under the external id that we injected while Kling's is
not known. "Task not found" to the latter, several times over several minutes after the submit's
deadline, is the only thing that releases a hold without Kling's verdict.
"""

import asyncio
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

import msgspec
import structlog

from relay.channels.directory import ChannelDirectory
from relay.counts import Counter, elsewhere
from relay.database.batch import Batcher
from relay.database.driver import Pool
from relay.database.faults import log_failure
from relay.database.line import Line
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind
from relay.kling.task_object import Status, TaskNews
from relay.tasks.ask import Asker, KlingsWord, NoAnswer, NotFound, Unread, word_of
from relay.tasks.door import (
    EVENT_BYTES_MAX,
    LAST_LOOK_AFTER_S,
    Door,
    Finished,
    Via,
)
from relay.tasks.flags import Flags
from relay.tasks.given import released_row
from relay.tasks.learn import Learner, differing_ids
from relay.tasks.queue.enter import Queue
from relay.tasks.statements import CLAIM_REFRESH, TASK_COLUMNS, ClaimRow
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow

log = structlog.get_logger()

LEASE_S = 60
"""Longer than any look takes; a worker that dies leaves its rows to others after that."""
CALLBACKS_LATELY_S = 3600.0
LANDING_S = 1.0
"""What an end waits for questions that are out: a look will put them again."""
LOST_PAUSE_MAX_S = 600.0
"""Between two looks for a task that Kling may not have, however long it is looked for."""
CONFIRM_TRIES = 100
"""Without a usable answer, to a callback's word and to the operator's: about two days, by their
pauses."""
UNREAD_TRIES = 10
"""After so many questions without an answer that we can read, a person should read one."""

CLAIM_DUE = f"""
UPDATE tasks t
SET next_look_at = now() + {LEASE_S} * interval '1 second',
    look_attempts = t.look_attempts + 1,
    look_lease = gen_random_uuid()
FROM (
    SELECT id FROM tasks WHERE next_look_at <= now() ORDER BY next_look_at LIMIT $1
    FOR UPDATE SKIP LOCKED
) due
WHERE t.id = due.id
RETURNING {TASK_COLUMNS}, t.look_lease, t.look_attempts
"""  # noqa: S608 (composed of constants)

PUT_OFF = """
UPDATE tasks
SET next_look_at = now() + $3 * interval '1 second', look_lease = NULL, refresh_at = now(),
    not_found = CASE WHEN $4 THEN not_found + 1 ELSE not_found END,
    not_found_since = CASE WHEN $4 THEN coalesce(not_found_since, now()) ELSE not_found_since END,
    -- Counts what could not be read, from the last answer that could.
    look_attempts = CASE WHEN $5 THEN 0 ELSE look_attempts END
WHERE id = $1 AND look_lease = $2
RETURNING not_found, extract(epoch FROM now() - not_found_since)::float8 AS not_found_s
"""
"""Fenced by the lease: a worker that slept past it changes nothing."""

COUNT_UNREAD = """
UPDATE tasks SET look_attempts = look_attempts + 1 WHERE id = $1 RETURNING look_attempts
"""
"""Of a tenant's query: while tenants ask, the worker does not."""

END_LOOKS = """
UPDATE tasks SET next_look_at = NULL, look_lease = NULL WHERE id = $1 AND look_lease = $2
RETURNING id
"""


class LookRules(msgspec.Struct, frozen=True):
    """How often Kling is asked, and when a task counts as never made."""

    refresh_s: float | None = None
    """Between two questions about a live task; None is 3 s, or 30 s where callbacks arrive."""
    has_callbacks: bool = False
    """Whether we told Kling where to call back."""
    lost_looks: int = 3
    lost_after_s: float = 600.0
    unconfirmed_lost_after_s: float = 86400.0
    """Where nobody has seen that this account finds tasks by our external id."""


class LeasedTask(msgspec.Struct, frozen=True):
    """A task that this worker alone looks at until its lease ends."""

    task: TaskRow
    lease: UUID
    attempts: int


class Looker:
    """Asks Kling about tasks, for tenants' queries and for the worker."""

    def __init__(
        self,
        line: Line,
        pool: Pool,
        *,
        asker: Asker,
        door: Door,
        learner: Learner,
        flags: Flags,
        queue: Queue,
        directory: ChannelDirectory,
        catalogue: Catalogue,
        rules: LookRules,
        counter: Counter,
    ) -> None:
        """`line`: for tenants' questions; `pool`: for the worker's."""
        self._claims = Batcher(line, CLAIM_REFRESH, is_idempotent=False)
        self._pool = pool
        self._asker = asker
        self._catalogue = catalogue
        self._door = door
        self._learner = learner
        self._flags = flags
        self._queue = queue
        self._directory = directory
        self._rules = rules
        self._counter = counter
        self._flights: dict[int, asyncio.Task[None]] = {}

    async def refresh(self, task: TaskRow, *, wait_s: float) -> bool:
        """Ask Kling about a task that a tenant asks for, unless it was asked lately.

        Waits at most `wait_s`; the question goes on without its asker. True if the row may have
        moved.
        """
        flight = self._flights.get(task.id)
        if flight is None:
            older_than_s = 0.0 if task.is_unasked else self.refresh_every_s(task)
            if task.refreshed_s_ago < older_than_s:
                return False
            if await self._claims.run(ClaimRow(task.id, older_than_s)) is not None:
                flight = asyncio.create_task(self._ask_quietly(task))
                self._flights[task.id] = flight
                flight.add_done_callback(lambda _: self._flights.pop(task.id, None))
            else:
                # Another poller of this process may have claimed it in the same batch: join it.
                await asyncio.sleep(0)
                flight = self._flights.get(task.id)
                if flight is None:
                    return False
        with elsewhere():
            done, _ = await asyncio.wait({flight}, timeout=wait_s)
        return bool(done)

    def refresh_every_s(self, task: TaskRow) -> float:
        if self._rules.refresh_s is not None:
            return self._rules.refresh_s
        if not self._rules.has_callbacks:
            return 3.0
        # As it was last read: what is learned of a task must not fail for the channels' sake.
        channel = self._directory.known(task.channel_id)
        if channel is None or channel.callback_at is None:
            return 3.0
        silence = datetime.now(UTC) - channel.callback_at
        is_lately = silence.total_seconds() < CALLBACKS_LATELY_S
        return 30.0 if is_lately and task.quote.takes_ids else 3.0

    def look_pause_s(self, task: TaskRow) -> float:
        """Say how long a live task rests between two looks: longer the older it is."""
        age_s = (datetime.now(UTC) - task.created_at).total_seconds()
        return max(self.refresh_every_s(task), min(age_s / 10, 3600.0), 1.0)

    async def claim_due(self, limit: int) -> list[LeasedTask]:
        """Take tasks that are due for a look; no other worker gets them while the lease lasts."""
        records = await self._pool.fetch(CLAIM_DUE, limit)
        return [
            LeasedTask(
                task=TaskRow.of(record),
                lease=record["look_lease"],
                attempts=record["look_attempts"],
            )
            for record in records
        ]

    async def look(self, leased: LeasedTask) -> None:
        """Look at one due task: learn, put off, or release what Kling never had."""
        task = leased.task
        is_lost = False
        if self._catalogue.kind_of(task.endpoint_name) is EndpointKind.CALL:
            await self._give_up_call(leased)
            return
        if task.is_live and task.is_untraceable:
            await self._leave_to_a_person(leased)
            return
        answer = await self._asker.ask(task)
        self._counter.add("worker", word_of(answer))
        match answer:
            case TaskNews():
                if await self._learn(task, answer, via=Via.LOOK):
                    return
            case NotFound():
                is_lost = task.kling_id is None and task.is_live
            case NoAnswer():
                pass
            case _:
                assert_never(answer)
        await self._flag_unread(task, answer, tries=leased.attempts)
        if not task.is_live and self._is_asked_enough(leased, answer):
            await self._end_looks(leased, answer)
            return
        if is_lost:
            await self._miss(leased)
        else:
            pause_s = self.look_pause_s(task)
            is_read = not isinstance(answer, NoAnswer) and not _is_unread(answer) and task.is_live
            await self._pool.execute(PUT_OFF, task.id, leased.lease, pause_s, False, is_read)  # noqa: FBT003 (SQL's)

    async def _miss(self, leased: LeasedTask) -> None:
        """Count a "not found"; release the hold once it was said often enough for long enough."""
        task, rules = leased.task, self._rules
        is_confirmed = await self._is_lookup_confirmed(task)
        lost_after_s = rules.lost_after_s if is_confirmed else rules.unconfirmed_lost_after_s
        pause_s = min(max(1.0, lost_after_s / rules.lost_looks), LOST_PAUSE_MAX_S)
        record = await self._pool.fetchrow(PUT_OFF, task.id, leased.lease, pause_s, True, True)  # noqa: FBT003 (SQL's)
        if (
            record is None
            or record["not_found"] < rules.lost_looks
            or record["not_found_s"] < lost_after_s
        ):
            return
        reason = (
            f'Kling never had it: {record["not_found"]} times "Task not found"'
            f" over {record['not_found_s']:.0f} s"
        )
        told = ""
        if task.public_id is not None:
            if await self._queue.put_back(task, reason=reason):
                return
            if task.state is TaskState.UNKNOWN:
                told = await self._queue.last_word(task)
        finished = await self._release(task, reason, told, last_look_after_s=LAST_LOOK_AFTER_S)
        if finished.moved and not is_confirmed:
            await self._flags.flag(
                task.id,
                "task.released_unconfirmed",
                f"{reason}; no `relay channel try` has confirmed that this account finds tasks by"
                " our external id",
            )

    async def _is_lookup_confirmed(self, task: TaskRow) -> bool:
        channel = await self._directory.get(task.channel_id)
        return channel.confirms(self._catalogue.of(task.endpoint_name).lookup)

    def _is_asked_enough(self, leased: LeasedTask, answer: KlingsWord) -> bool:
        """Tell whether an ended task, of which this answer was no news, needs no further look.

        Kling's own end is waited for where a callback or the operator ended the task, whose word it
        is to confirm, and where it works on what was given up.
        """
        task = leased.task
        is_awaited = task.is_hearsay or task.awaits_kling
        match answer:
            case TaskNews(status=Status.SUBMITTED | Status.PROCESSING):
                return not (is_awaited or task.is_given_up)
            case TaskNews(status=None) | NoAnswer():
                tries = CONFIRM_TRIES if is_awaited else self._rules.lost_looks
                return leased.attempts >= tries
            case NotFound():
                return not is_awaited or leased.attempts >= self._rules.lost_looks
            case _:
                return True

    async def _end_looks(self, leased: LeasedTask, answer: KlingsWord) -> None:
        task = leased.task
        ended = await self._pool.fetchrow(END_LOOKS, task.id, leased.lease)
        if ended is not None and task.is_hearsay:
            why = "a callback ended it, and no reply of Kling's confirmed that"
            await self._flags.flag(task.id, "callback.unconfirmed", why)
        if ended is not None and task.awaits_kling and task.state is TaskState.SUCCEED:
            why = f"the operator settled it, and Kling says {_said(answer)}"
            await self._flags.flag(task.id, "task.unconfirmed", why)

    async def _give_up_call(self, leased: LeasedTask) -> None:
        """Release a synchronous call without a verdict at its deadline (D2's one exception).

        There is nothing to look up and nothing was delivered; what Kling may have taken for it is
        at the reseller's cost.
        """
        task = leased.task
        if not task.is_live:
            await self._pool.execute(END_LOOKS, task.id, leased.lease)
            return
        left_s = (task.submit_deadline_at - datetime.now(UTC)).total_seconds()
        if left_s > 0:
            await self._pool.execute(PUT_OFF, task.id, leased.lease, left_s, False, False)  # noqa: FBT003 (SQL's)
            return
        reason = "a synchronous call without a verdict: released at its deadline"
        finished = await self._release(task, reason)
        if finished.moved:
            await self._flags.flag(task.id, "call.given_up", reason)

    async def _leave_to_a_person(self, leased: LeasedTask) -> None:
        """Flag a submit without a verdict of a model that takes no external id (D2).

        Kling cannot be asked for it, so no clock releases it: whoever finds it in Kling's lists,
        or does not, settles or releases it.
        """
        task = leased.task
        await self._flags.flag(
            task.id,
            "task.untraceable",
            "its model takes no external id, so Kling cannot be asked whether it has it:"
            " settle or release it by hand",
        )
        await self._pool.execute(END_LOOKS, task.id, leased.lease)

    async def _release(
        self, task: TaskRow, reason: str, told: str = "", *, last_look_after_s: float | None = None
    ) -> Finished:
        row = released_row(
            task, via=Via.LOOK, reason=reason, told=told, look_after_s=last_look_after_s
        )
        return await self._door.pass_through(row, task, durable=False)

    async def aclose(self) -> None:
        """Let the flights that are in the air land, for a moment."""
        if self._flights:
            await asyncio.wait(set(self._flights.values()), timeout=LANDING_S)
        await self._claims.aclose()

    async def _ask_quietly(self, task: TaskRow) -> None:
        try:
            answer = await self._asker.ask(task)
            self._counter.add("tenant", word_of(answer))
            if isinstance(answer, TaskNews):
                await self._learn(task, answer, via=Via.QUERY)
            if _is_unread(answer):
                tries = await self._pool.fetchrow(COUNT_UNREAD, task.id)
                await self._flag_unread(task, answer, tries=tries["look_attempts"] if tries else 0)
        except Exception as error:  # noqa: BLE001 (told in the log)
            # The stored state is the tenant's answer; the worker's look comes to the same task.
            log_failure(log, "task.refresh_failed", error, id=task.id)

    async def _flag_unread(self, task: TaskRow, answer: KlingsWord, *, tries: int) -> None:
        """Show the operator what Kling says of a task, if nobody could read it for long."""
        if not _is_unread(answer) or tries == 0 or tries % UNREAD_TRIES:
            return
        if isinstance(answer, TaskNews):
            why, body = "its status is not one we know", answer.raw
        else:
            assert isinstance(answer, Unread), "only what came can be unread"
            why, body = answer.reason, answer.body
        why = f"Kling's reply could not be read, {tries} times: {why}"
        await self._flags.flag(task.id, "reply.unread", why, body[:EVENT_BYTES_MAX])

    async def _learn(self, task: TaskRow, news: TaskNews, *, via: Via) -> bool:
        """Apply an answer if it is about this task. True if it changed the row."""
        if difference := differing_ids(task, news):
            await self._flags.flag(task.id, "reply.of_another_task", difference, news.raw)
            return False
        finished = await self._learner.learn(
            task, news, via=via, look_after_s=self.look_pause_s(task)
        )
        return finished.moved or finished.filled


def _is_unread(answer: KlingsWord) -> bool:
    """Tell whether Kling spoke of the task in a way that we do not understand."""
    return isinstance(answer, Unread) or (isinstance(answer, TaskNews) and answer.status is None)


def _said(answer: KlingsWord) -> str:
    match answer:
        case TaskNews():
            return "nothing that we can read"
        case NotFound():
            return "that it has no such task"
        case NoAnswer():
            return "nothing"
        case _:
            assert_never(answer)
