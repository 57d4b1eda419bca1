"""The worker's turn at the queue: ends what waited too long, and sends what has room.

One replica takes its turn at a time, so that two do not send to the same slot; what each has sent
is counted by the next one's turn. Slots are counted anew at each: what ended a moment ago is room.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from relay.channels.opened import OpenedChannel
from relay.database.driver import Pool, Record
from relay.database.engine import Sessions
from relay.database.faults import log_failure
from relay.database.ids import TaskId
from relay.errors import NoRoom, Paused, RelayError, Unavailable
from relay.health.board import Board
from relay.health.condition import Admission
from relay.kling.body import read_fields
from relay.kling.catalogue import Catalogue
from relay.kling.references import NamedResource
from relay.kling.strays import read_things
from relay.kling.wire import Fields
from relay.secrets import KeyRing, SecretKeyError
from relay.stopping import Stopping
from relay.tasks.choose_channel import ChannelChooser
from relay.tasks.dispatch import Dispatcher, Submission
from relay.tasks.given import NO_ROOM
from relay.tasks.queue.end import end_waiting
from relay.tasks.queue.order import Waiting, read_waiting
from relay.tasks.queue.statements import AWAIT, CLAIM, FORGET, OVER, SWEEP
from relay.tasks.queue.tables import body_context
from relay.tasks.task import TaskRow

log = structlog.get_logger()

TURN_EVERY_S = 0.25
IDLE_TURNS = 4
"""An empty queue is looked at that much more seldom: what enters it waits for something anyway."""
TURN_LOCK = 0x7175657565  # "queue": one replica at a time, the others skip their turn
SENT_AT_ONCE = 200
LANDING_S = 1.0
"""What is being sent has that long where nobody said beforehand that the process stops."""
HAS_ANY = "SELECT EXISTS (SELECT FROM queue)"
READ_BODY = "SELECT body_sealed FROM queue WHERE task_id = $1"

_NamedThings = list[NamedResource]
_Channels = tuple[int, ...]
_Wish = tuple[object, ...]


class QueueSender:
    """Serves those who wait."""

    def __init__(
        self,
        pool: Pool,
        sessions: Sessions,
        *,
        chooser: ChannelChooser,
        board: Board,
        dispatcher: Dispatcher,
        catalogue: Catalogue,
        keys: KeyRing,
        submit_timeout_s: float,
        stopping: Stopping,
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._chooser = chooser
        self._board = board
        self._dispatcher = dispatcher
        self._catalogue = catalogue
        self._keys = keys
        self._submit_timeout_s = submit_timeout_s
        self._stopping = stopping
        self._named: dict[TaskId, _NamedThings] = {}
        """Of those that wait: what each names, so that its body is opened once for it."""
        self._sending: set[asyncio.Task[None]] = set()
        self._rests = 0

    async def turn(self) -> None:
        """Serve all for whom there is room now, unless the process stops."""
        if self._stopping.is_set():
            return
        if self._rests:
            self._rests -= 1
            return
        if not await self._pool.fetchval(HAS_ANY):
            self._rests = IDLE_TURNS - 1
            return
        await self._pool.execute(SWEEP)
        async with self._pool.begin() as connection:
            if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock({TURN_LOCK})"):
                return
            over = await connection.fetch(OVER)
            waiting = await read_waiting(connection)
            awaited = {}
            if waiting:
                self._board.room.recount()
                awaited = await self._serve(waiting)
        self._named = {one.id: self._named[one.id] for one in waiting if one.id in self._named}
        for channel_ids, ids in awaited.items():
            await self._pool.execute(AWAIT, ids, channel_ids)
        for record in over:
            reason = "it waited for room for as long as it may"
            await self._end(record["id"], reason=reason, told=NO_ROOM)

    async def aclose(self) -> None:
        """Let what is being sent be answered, as long as requests may; looks find what is cut."""
        until = time.monotonic() + max(self._stopping.left_s(), LANDING_S)
        while self._sending and (left_s := until - time.monotonic()) > 0:
            await asyncio.wait(self._sending, timeout=left_s)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _serve(self, waiting: list[Waiting]) -> dict[_Channels, list[TaskId]]:
        """Go through them in order; who finds no room stops those of the same wish behind it.

        Returns those that wait for the slots of other channels than was known, by these.
        """
        without: dict[_Wish, _Channels] = {}
        changed: dict[_Channels, list[TaskId]] = {}
        for one in waiting:
            if len(self._sending) >= SENT_AT_ONCE or self._stopping.is_set():
                break
            awaited = _find(without, one, ())
            if awaited is None:
                awaited = await self._serve_one(one, without)
            if awaited is not None and set(awaited) != set(one.channel_ids):
                changed.setdefault(awaited, []).append(one.id)
        return changed

    async def _serve_one(self, one: Waiting, without: dict[_Wish, _Channels]) -> _Channels | None:
        """Begin to send one; else return, and note for those behind it, whose slots it waits for.

        Where it waits for slots, others of its kind that take fewer do not pass it.
        """
        named = await self._named_in(one)
        if named is None:
            return ()
        names = tuple((it.kind, it.id) for it in named)
        awaited = _find(without, one, names) if names else None
        if awaited is None:
            awaited = await self._start(one, named)
            if awaited is not None:
                without[_wish(one, names, one.need.slots)] = awaited
                if awaited:
                    without[_wish(one, names, None)] = awaited
        return awaited

    async def _start(self, one: Waiting, named: _NamedThings) -> _Channels | None:
        """Begin to send one, if a channel has room for it now, or end it.

        Else return the channels whose slots it waits for; none if it is something else.
        """
        try:
            channels = await self._chooser.choose(
                one.caller, self._catalogue.of(one.endpoint), named, model=one.asked_model
            )
        except (Paused, Unavailable):
            return ()
        except RelayError as error:  # what it names was deleted meanwhile
            await self._end(one.id, reason=f"{type(error).__name__}: {error}", told=error.message)
            return None
        try:
            able = await self._board.sift(channels, one.need)
        except (NoRoom, Unavailable):
            able = []
        for channel in able:
            admission = await self._board.admit(channel, one.need, task_id=one.id)
            if admission is None:
                continue
            order = [channel, *(other for other in channels if other is not channel)]
            # A turn that is cut short claims nothing that is not sent.
            await asyncio.shield(self._go_on(self._claim(one, admission, order)))
            return None
        return tuple(sorted(self._board.awaited(channels, one.need)))

    def _go_on(self, step: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what outlives the turn."""
        task = asyncio.create_task(step)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def _claim(
        self, one: Waiting, admission: Admission, channels: list[OpenedChannel]
    ) -> None:
        """Commit that it is sent to the first of them, and begin to."""
        claimed = await self._pool.fetchrow(CLAIM, one.id, channels[0].id, self._submit_timeout_s)
        if claimed is None:  # cancelled meanwhile
            self._board.withdraw(admission)
            return
        _ = self._go_on(self._send(one, claimed, admission, channels))

    async def _send(
        self, one: Waiting, claimed: Record, admission: Admission, channels: list[OpenedChannel]
    ) -> None:
        now = time.monotonic()
        try:
            submission = Submission(
                TaskRow.of(claimed),
                self._catalogue.of(one.endpoint),
                self._open(one.id, claimed["body_sealed"]),
                one.need,
                deadline=now + self._submit_timeout_s,
                retry_until=now,
                model=claimed["path_model"],
                admission=admission,
                has_waited=True,
            )
            await self._dispatcher.send(submission, channels)
            await self._pool.execute(FORGET, one.id)
        except Exception as error:  # noqa: BLE001 (told in the log; a look comes to it)
            log_failure(log, "queue.send_failed", error, id=one.id)

    async def _named_in(self, one: Waiting) -> _NamedThings | None:
        """Read what it names; None if that cannot be read now, or not at all."""
        if one.id not in self._named:
            try:
                sealed = await self._pool.fetchval(READ_BODY, one.id)
                if sealed is None:
                    return None
                fields = self._open(one.id, sealed)
                self._named[one.id] = read_things(self._catalogue.of(one.endpoint), fields)
            except (SecretKeyError, LookupError) as error:
                # Until the key, or the endpoint, is in the settings again, or its time is over.
                log.warning("queue.unreadable", id=one.id, reason=str(error))
                return None
        return self._named[one.id]

    def _open(self, task_id: TaskId, sealed: str) -> Fields:
        return read_fields(self._keys.open(sealed, context=body_context(task_id)).encode())

    async def _end(self, task_id: TaskId, *, reason: str, told: str) -> None:
        async with self._sessions.begin() as session:
            await end_waiting(session, task_id, reason=reason, told=told)


def _wish(one: Waiting, names: tuple[object, ...], slots: int | None) -> _Wish:
    """Spell what stops those behind it that it cannot have; `slots`: None is however many."""
    need = one.need
    return (one.caller.token_id, one.endpoint, need.pack, need.model, slots, names)


def _find(
    without: dict[_Wish, _Channels], one: Waiting, names: tuple[object, ...]
) -> _Channels | None:
    """Look up whose slots one of this wish before it waits for; None if there is none.

    What names nothing could go to every channel, so where that is stopped the others are.
    """
    found = without.get(_wish(one, names, None))
    return without.get(_wish(one, names, one.need.slots)) if found is None else found
