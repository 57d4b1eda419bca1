"""How many slots of each account live tasks take, counted over all replicas.

No counter row: each create and each end would wait for it. The live tasks are counted instead,
twice a second at the most and only where something is limited. What this process lets through
meanwhile is added; what others do is seen a moment later, and Kling's 1303 is the last word.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from math import ceil

import structlog

from relay.channels.opened import OpenedChannel
from relay.choices import RoomScope
from relay.database.cached import Cached
from relay.database.driver import Pool, Record
from relay.database.faults import is_fault, log_failure
from relay.database.ids import TaskId
from relay.health.condition import Key, Need
from relay.health.statements import COUNT, COUNT_OF_TENANTS, RUNNING, USUAL, WAITING

log = structlog.get_logger()

COUNTED_EVERY_S = 0.5
COUNTING_SHARE = 20
"""Where counting takes long, it is done no more often than each twenty times as long."""
USUAL_EVERY_S = 60.0
WAIT_UNKNOWN_S = 10
"""What is told to who has to wait for a slot of which nobody knows when it becomes free."""


class Room:
    """Counts the slots that are taken."""

    def __init__(
        self, pool: Pool, scope: RoomScope, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.scope = scope
        self._pool = pool
        self._clock = clock
        self._counted: Counter[Key] = Counter()
        """By pack and model, and by pack alone with the model ''."""
        self._oldest_s: dict[Key, float] = {}
        """When the oldest of them began, on the clock."""
        self._waiting: Counter[Key] = Counter()
        """What is waited for, likewise."""
        self._running: dict[tuple[int, str], int] = {}
        """By tenant and pack."""
        self._let_in: Counter[Key] = Counter()
        """Since the last count began."""
        self._let_in_before: Counter[Key] = Counter()
        """Since the one before: they are in it when it is done."""
        self._passed_on: Counter[Key] = Counter()
        """Of rows that are counted at an account which surely has nothing of them."""
        self._usual = Cached(self._read_usual, of="usual times", age_max_s=USUAL_EVERY_S)
        self._usual_s: dict[tuple[str, str], float] = {}
        self._counting = Cached(self._count, of="slots taken", age_max_s=COUNTED_EVERY_S)
        self._not_before = 0.0

    async def count(self) -> None:
        """Count anew, if the last count is no longer good; while it cannot be, that one is."""
        if self._clock() < self._not_before:
            return
        try:
            await self._counting.get()
            await self._usual.get()
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "room.not_counted", error)

    async def running_beside(
        self, channel_id: int, need: Need, task_id: TaskId | None
    ) -> tuple[int, int]:
        """Count the slots that others take now, of its model and of its pack.

        By the rows alone: the task itself may be another channel's by now, and not be counted.
        """
        records = await self._pool.fetch(RUNNING, channel_id, need.pack, task_id)
        slots = {record["model"]: record["slots"] for record in records}
        return slots.get(need.model, 0), sum(slots.values())

    def taken(self, key: Key) -> int:
        """Say how many slots are taken, of a pack, or of a model in it."""
        let_in = self._let_in[key] + self._let_in_before[key]
        return max(0, self._counted[key] + let_in - self._passed_on[key])

    def waiting(self, key: Key) -> int:
        """Say how many slots are waited for that this channel could give."""
        return self._waiting[key]

    def running(self, tenant_id: int, pack: str) -> int:
        """Say how many slots a tenant's tasks take."""
        return self._running.get((tenant_id, pack), 0)

    def recount(self) -> None:
        """Have it counted at the next question, however lately it was, and whatever it takes.

        For the one replica that serves those who wait: what it does not see yet stays idle.
        """
        self._counting.forget()
        self._not_before = 0.0

    def take(self, channel_id: int, need: Need) -> None:
        """Add what was just let through, which the next count will see."""
        _add(self._let_in, channel_id, need, need.slots)

    def pass_on(self, channel_id: int, need: Need) -> None:
        """Take out what was let through and made nothing, though its row still names the account.

        Or it would find its own slot taken when it is tried again.
        """
        _add(self._passed_on, channel_id, need, need.slots)

    def go_on(self, channel_id: int, need: Need) -> None:
        """End `pass_on`: it is tried again, or names another account, as the next count sees."""
        _add(self._passed_on, channel_id, need, -need.slots)
        _add(self._let_in, channel_id, need, -need.slots)

    def wait_s(self, keys: Iterable[Key]) -> int:
        """Say after how many whole seconds a slot becomes free, as far as that can be told.

        The oldest task is the next to end, after as long as such tasks took of late; and what waits
        for these slots comes first.
        """
        return max(1, ceil(self._wait_s(keys, ahead=None)))

    def expected_wait_s(self, keys: Iterable[Key], *, ahead: int) -> int:
        """Say after how many whole seconds it is the turn of what has so many before it."""
        return max(1, ceil(self._wait_s(keys, ahead=ahead)))

    def _wait_s(self, keys: Iterable[Key], *, ahead: int | None) -> float:
        now = self._clock()
        keys = list(keys)
        # What waits is counted at each channel that could take it.
        before = max(map(self.waiting, keys), default=0) if ahead is None else ahead
        turns = before / max(1, self._taken_by(keys))
        waits = []
        for channel_id, pack, model in keys:
            for (_, its_pack, its_model), began in self._of(channel_id, pack, model):
                usual_s = self._usual_s.get((its_pack, its_model))
                if usual_s is not None:
                    waits.append(max(0.0, began + usual_s - now) + turns * usual_s)
        return min(waits, default=float(WAIT_UNKNOWN_S))

    def _taken_by(self, keys: Iterable[Key]) -> int:
        """Say how many slots are taken on all these channels, each counted once."""
        taken: dict[int, int] = {}
        for key in keys:
            taken[key[0]] = max(taken.get(key[0], 0), self.taken(key))
        return sum(taken.values())

    def _of(self, channel_id: int, pack: str, model: str) -> list[tuple[Key, float]]:
        return [
            (key, began)
            for key, began in self._oldest_s.items()
            if key[0] == channel_id and key[1] == pack and model in ("", key[2])
        ]

    async def _count(self) -> None:
        began = self._clock()
        self._let_in_before.update(self._let_in)
        self._let_in = Counter()
        records = await self._pool.fetch(COUNT)
        self._waiting = _by_key(await self._pool.fetch(WAITING))
        # Who has how many is asked for only where somebody waits for others' slots.
        of_tenants = await self._pool.fetch(COUNT_OF_TENANTS) if self._waiting else []
        counted = _by_key(records)
        self._oldest_s = {
            (record["channel_id"], record["pack"], record["model"]): began - record["oldest_s"]
            for record in records
        }
        self._running = {
            (record["tenant_id"], record["pack"]): record["slots"] for record in of_tenants
        }
        self._counted, self._let_in_before = counted, Counter()
        self._not_before = began + (self._clock() - began) * COUNTING_SHARE

    async def _read_usual(self) -> None:
        self._usual_s = {
            (record["pack"], record["model"]): record["median_s"]
            for record in await self._pool.fetch(USUAL)
        }


def _add(sums: Counter[Key], channel_id: int, need: Need, slots: int) -> None:
    sums[channel_id, need.pack, need.model] += slots
    sums[channel_id, need.pack, ""] += slots


def _by_key(records: Iterable[Record]) -> Counter[Key]:
    """Sum slots by channel, pack and model, and with the model '' by channel and pack."""
    sums: Counter[Key] = Counter()
    for record in records:
        key = (record["channel_id"], record["pack"], record["model"])
        sums[key] += record["slots"]
        sums[key[0], key[1], ""] += record["slots"]
    return sums


def set_limit(channel: OpenedChannel, key: Key, scope: RoomScope) -> int | None:
    """Look up what the operator says how many slots there are; None if nothing."""
    _, pack, model = key
    if model:
        named = channel.room.get(f"{pack}/{model}")
        if named is not None:
            return named
    is_of_pack = (model == "") == (scope is RoomScope.PACK)
    return channel.room.get(pack) if is_of_pack else None
