"""Which channels may take a create now, and who tries those that could not.

What this process learns holds at once here, and within a second in all others. A condition ends by
what shows that it is over: a tenant's create, of which one at a time may try while it lasts
(`admit`), a free question, units that were bought, or a slot that became free. Never by a task of
our own, which would cost.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from math import ceil

import msgspec
import structlog

from relay.channels.opened import OpenedChannel
from relay.database.cached import Cached
from relay.database.driver import Pool
from relay.database.faults import is_fault, log_failure
from relay.database.ids import TaskId
from relay.errors import NoRoom, Unavailable
from relay.health.condition import (
    READY,
    Admission,
    Chance,
    Condition,
    Key,
    Need,
    pause_s,
    read_condition,
    rule_of,
    soon_over_s,
)
from relay.health.room import Room, set_limit
from relay.health.rules import State
from relay.health.statements import CLAIM, EXPIRING, MARK, READ
from relay.health.suspects import Suspects
from relay.kling.codes import Code

log = structlog.get_logger()

AGE_MAX_S = 1.0
"""How long what another process learned may stay unseen."""
LEASE_S = 120.0
"""Who tries has so long to tell; longer than any submit."""
REASON_CHARS = 300
DAY_S, EXPIRING_AGE_S = 86_400, 60.0


class Board:
    """What is known of all channels."""

    def __init__(
        self, pool: Pool, room: Room, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.room = room
        self.suspects = Suspects(clock)
        self._pool = pool
        self._clock = clock
        self._cached = Cached(self._read, of="channel conditions", age_max_s=AGE_MAX_S)
        self._known: dict[Key, Condition] = {}
        self._concerned: set[int] = set()
        """Channels that it has anything of; of all others there is nothing to find out."""
        self._expiring: dict[tuple[int, str], float] = {}
        """When the next pack of a channel and kind expires, if soon; as a POSIX day."""
        self._own: dict[Key, float] = {}
        """What was marked here, and when it was written; infinite while it is being written.

        A reading that began before undoes nothing.
        """
        self._expiring_until_s = float("-inf")
        self._writing: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def sift(self, channels: Sequence[OpenedChannel], need: Need) -> list[OpenedChannel]:
        """Keep those that may take a create now, in their order but for packs that expire soon.

        At least one is left.

        Raises:
            NoRoom: of those that could, each is full or asked too fast.
            Unavailable: none can.
        """
        await self.refresh(channels)
        if any(map(self.has_of, channels)):
            chances = {channel.id: self._chance(channel, need) for channel in channels}
            able = [channel for channel in channels if chances[channel.id].wait_s <= 0]
            if not able:
                raise self._why_not(chances.values())
        else:
            able = list(channels)
        if self._expiring and need.pack and len(able) > 1:
            # What expires first is used first; of one day they stay in the order of their draw.
            able.sort(
                key=lambda channel: (
                    -channel.priority,
                    self._expiring.get((channel.id, need.pack), float("inf")),
                )
            )
        return able

    async def able_first(
        self, channels: Sequence[OpenedChannel], need: Need
    ) -> list[OpenedChannel]:
        """Put those that cannot take it behind the others: for what costs nothing to ask."""
        await self.refresh(channels)
        return sorted(channels, key=lambda channel: self._chance(channel, need).wait_s > 0)

    async def admit(
        self, channel: OpenedChannel, need: Need, *, task_id: TaskId | None = None
    ) -> Admission | None:
        """Let a create through to a channel, and take its slots; None if it may not have it now.

        `task_id`: of the row that is counted among those that take slots.
        """
        if not self.has_of(channel):
            return Admission(need, task_id=task_id)
        chance = self._chance(channel, need)
        if chance.wait_s > 0:
            return None
        self.room.take(channel.id, need)
        for place, condition in enumerate(chance.tries):
            if not await self._claim(condition):
                self.withdraw(Admission(need, chance.tries[:place]))
                return None
        return Admission(need, chance.tries, task_id)

    def withdraw(self, admission: Admission) -> None:
        """Take note that it was not sent: somebody else tries."""
        for condition in admission.tries:
            self.postpone(condition)

    def wait_s(self, channels: Iterable[OpenedChannel], need: Need) -> float:
        """Say in how many seconds one of them may take it; infinite if a slot must become free."""
        chances = [self._chance(channel, need) for channel in channels]
        return min(
            (
                float("inf") if chance.full and chance.wait_s > 0 else chance.soon_s
                for chance in chances
            ),
            default=float("inf"),
        )

    def awaited(self, channels: Iterable[OpenedChannel], need: Need) -> list[int]:
        """List the channels whose slots it waits for: those that lack nothing else for it.

        Not those that have too few for it even when nothing runs: it has no claim to what becomes
        free there.
        """
        return [one.id for one in channels if self._chance(one, need).is_for_slots]

    def room_wait_s(self, channels: Iterable[OpenedChannel], need: Need) -> int:
        """Say after how many whole seconds a slot of these may become free."""
        return self.room.wait_s((channel.id, need.pack, need.model) for channel in channels)

    def why_not(self, channels: Iterable[OpenedChannel], need: Need) -> NoRoom | Unavailable:
        """Say what the tenant is told where none took it: NoRoom if one is merely full now."""
        return self._why_not([self._chance(channel, need) for channel in channels])

    async def refresh(self, channels: Sequence[OpenedChannel]) -> None:
        """Read what others learned, and count where something is limited."""
        if self._clock() > self._cached.good_until:
            try:
                await self._cached.get()
            except Exception as error:
                if not is_fault(error):
                    raise
                log_failure(log, "board.not_read", error)
        of = [channel for channel in channels if self.has_of(channel)]
        ids = {channel.id for channel in of}
        has_room = any(one.room is not None for key, one in self._known.items() if key[0] in ids)
        if has_room or any(channel.room for channel in of):
            await self.room.count()

    async def end_where_slots_are_free(self) -> None:
        """See what has a slot again though no create comes that would see it."""
        await self.refresh(())
        full = [
            one
            for one in self._known.values()
            if one.room is not None and one.state is not State.OK
        ]
        if full:
            await self.room.count()
        for condition in full:
            if condition.room is not None and self.room.taken(condition.key) < condition.room:
                self.end(condition)

    def has_of(self, channel: OpenedChannel) -> bool:
        """Tell whether anything may keep this channel from a create: nearly always nothing does."""
        return channel.id in self._concerned or bool(channel.room)

    def known(self, key: Key) -> Condition | None:
        return self._known.get(key)

    async def aclose(self) -> None:
        """Let what is being learned and written be written: what is learned spawns its writing."""
        while self._writing:
            await asyncio.gather(*self._writing, return_exceptions=True)

    def _chance(self, channel: OpenedChannel, need: Need) -> Chance:
        now = self._clock()
        wait_s, soon_s, tries, is_busy = 0.0, 0.0, [], True
        full: list[Key] = []
        fits = True
        for key in need.keys(channel.id):
            condition = self._known.get(key)
            if condition is not None and condition.state is not State.OK:
                if condition.is_of_room:
                    pass  # below, by what is counted
                else:
                    own_s = self.suspects.own_try_at_s(key, need) - now
                    wait_s = max(wait_s, self.suspects.try_at_s(condition, need) - now)
                    soon_s = max(soon_s, soon_over_s(condition, condition.try_at_s - now), own_s)
                    tries.append(condition)
                    is_busy = is_busy and condition.code == Code.RATE_LIMITED
            if need.slots and key[1] == need.pack:
                chance = self._room_chance(channel, key, need)
                wait_s = max(wait_s, chance.wait_s)
                tries += chance.tries
                full += chance.full
                fits = fits and chance.fits
        if not tries and not full:
            return READY
        return Chance(wait_s, soon_s, tuple(tries), is_busy, tuple(full), fits)

    def _room_chance(self, channel: OpenedChannel, key: Key, need: Need) -> Chance:
        """Say whether there are slots, of a pack or of a model in it, that nobody is before at."""
        condition = self._known.get(key)
        learned = None if condition is None else condition.room
        limit = set_limit(channel, key, self.room.scope)
        if limit is None and learned is None:
            return READY
        over = self.room.taken(key) + need.slots
        fits = limit is None or need.slots <= limit
        # What was learned may be over: one slot is always hoped for.
        fits = fits and (learned is None or need.slots <= max(1, learned))
        if self._is_behind(need, key) or (limit is not None and over > limit):
            return Chance(float("inf"), full=(key,), fits=fits)
        if condition is not None and learned is not None:
            if over > learned:
                wait_s = condition.try_at_s - self._clock()
                return Chance(wait_s, tries=(condition,), full=(key,), fits=fits)
            if condition.state is not State.OK:
                self.end(condition)
        return READY

    def _is_behind(self, need: Need, key: Key) -> bool:
        """Tell whether others wait for these slots, and come first."""
        return (
            not need.has_waited
            and self.room.waiting(key) > 0
            and self.room.running(need.tenant_id, need.pack) >= need.room_min
        )

    def _why_not(self, chances: Iterable[Chance]) -> NoRoom | Unavailable:
        busy = [chance for chance in chances if chance.is_busy]
        if not busy:
            return Unavailable()
        waits = [chance.soon_s for chance in busy if not chance.full]
        full = [key for chance in busy for key in chance.full]
        if full:
            waits.append(self.room.wait_s(full))
        return NoRoom(retry_after_s=max(1, ceil(min(waits))))

    def end(self, condition: Condition, *, slots_more: int | None = None) -> None:
        """It is over. `slots_more`: a create with so many slots has shown it.

        Then the next pause is short again, and there may be more room still. What was shown for
        free may fail again at once, so that the next pause is longer.
        """
        room, tries, try_at_s = condition.room, condition.tries, condition.try_at_s
        if slots_more is not None:
            room = None if room is None else room + slots_more
            tries, try_at_s = 0, self._clock()
        elif room is None:
            tries += 1
        self.mark(
            msgspec.structs.replace(
                condition, state=State.OK, tries=tries, room=room, try_at_s=try_at_s
            )
        )

    def again(self, condition: Condition, reason: str, *, need: Need | None = None) -> None:
        """It is not over: the next pause is longer.

        `need`: of the create that tried, if that may be what is to blame. Where the like of it has
        failed before, it says no more of the channel, and only its own next pause is longer.
        """
        is_known = need is not None and self.suspects.blame(condition.key, need)
        tries = condition.tries if is_known else condition.tries + 1
        rule = rule_of(condition)
        self.mark(
            msgspec.structs.replace(
                condition,
                state=rule.state,
                reason=reason[:REASON_CHARS],
                tries=tries,
                try_at_s=self._clock() + pause_s(rule, tries),
            )
        )

    def postpone(self, condition: Condition) -> None:
        """Nothing was shown: somebody else tries, after the shortest pause.

        Or who sends what Kling refuses for what it is would keep all others from it.
        """
        try_at_s = self._clock() + rule_of(condition).pause_s
        self.mark(msgspec.structs.replace(condition, try_at_s=try_at_s))

    async def _claim(self, condition: Condition) -> bool:
        """Be the one of all processes who tries."""
        claimed = msgspec.structs.replace(condition, try_at_s=self._clock() + LEASE_S)
        self._put(claimed)
        try:
            return bool(await self._pool.fetchval(CLAIM, *condition.key, LEASE_S))
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "board.not_claimed", error)
            return False
        finally:
            self._note_written(claimed)

    def _put(self, condition: Condition) -> None:
        self._known[condition.key] = condition
        self._concerned.add(condition.channel_id)
        self._own[condition.key] = float("inf")

    def _note_written(self, condition: Condition) -> None:
        """Let later readings have their say, unless something newer is still to be written."""
        if self._known.get(condition.key) is condition:
            self._own[condition.key] = self._clock()

    def mark(self, condition: Condition) -> None:
        """Know it at once, and write it down for all."""
        before = self._known.get(condition.key)
        was = before.state if before else State.OK
        self._put(condition)
        if was is not condition.state:
            log.warning(
                "channel.state",
                channel_id=condition.channel_id,
                pack=condition.pack or None,
                model=condition.model or None,
                before=was.value,
                state=condition.state.value,
                reason=condition.reason,
            )
        self.spawn(self._write(condition.key))

    async def _write(self, key: Key) -> None:
        """Write what is known by now; one after the other, so that the last one stays."""
        async with self._turn:
            condition = self._known[key]
            try:
                await self._pool.execute(
                    MARK,
                    *key,
                    condition.state.value,
                    condition.code,
                    condition.reason.replace("\x00", ""),
                    max(0.0, condition.try_at_s - self._clock()),
                    condition.tries,
                    condition.room,
                    condition.is_probed,
                )
            except Exception as error:  # noqa: BLE001 (told in the log; here it holds all the same)
                log_failure(log, "board.not_written", error)
            self._note_written(condition)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _read(self) -> None:
        began = self._clock()
        records = await self._pool.fetch(READ)
        now = self._clock()
        if now >= self._expiring_until_s:
            self._expiring = {
                (record["channel_id"], record["kind"]): record["expires_at"].timestamp() // DAY_S
                for record in await self._pool.fetch(EXPIRING)
            }
            self._expiring_until_s = now + EXPIRING_AGE_S
        known = {one.key: one for one in (read_condition(record, now_s=now) for record in records)}
        for key, marked_s in list(self._own.items()):
            if marked_s >= began and key in self._known:
                known[key] = self._known[key]
            else:
                del self._own[key]
        self._known = known
        self._concerned = {key[0] for key in known}
        self.suspects.keep({key for key, one in known.items() if one.state is not State.OK})
