"""What happens to runs, told to all who follow them in this process, by one reader.

The reader reads while somebody follows, from the database that all processes write to, so that a
move made by one is heard at each. Between moves it looks at the open runs that were told of, and
tells whose whole percent is another. Who follows holds no connection, and takes what it is told
from a queue with a bound: one that is too slow is cut, and comes back with the place that it has
reached.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator

import msgspec
import structlog

from relay.database.driver import Pool
from relay.database.faults import log_failure
from relay.errors import TooManyStreams
from relay.runs.followed import Place, Snapshot, has_moved, read_missed, read_moves
from relay.runs.read import Runs, SeenRun
from relay.runs.stages import went_back
from relay.runs.tables import ENDED_RUNS, RunState
from relay.tasks.outbox import Cursor, newest

log = structlog.get_logger()

LOOK_EVERY_S, PERCENTS_EVERY_S = 1.0, 3.0
READ_AT_ONCE, MISSED_AT_ONCE = 500, 100
TOLD_MAX = 500
"""Moves that wait for one who follows."""
STANDING_MAX = 200
"""Open runs whose state a tenant's stream begins with, the newest."""
LOOKED_AT_MAX = 500
"""Open runs whose percent is looked at, of all who follow."""
OF_TENANT_MAX, OF_PROCESS_MAX = 20, 1000
READY_S = 10.0
MARGIN_S = 3600
"""A place is good for so much less than moves are kept."""
DAY_S = 86400


class Told(msgspec.Struct, frozen=True):
    """One thing that is told of a run."""

    seen: SeenRun
    cursor: Cursor | None = None
    """Of the move; None of what is none: the state at the start, another percent."""

    @property
    def is_end(self) -> bool:
        return self.seen.state in ENDED_RUNS

    @property
    def place(self) -> str | None:
        """From where one goes on who has heard it."""
        if self.cursor is None:
            return None
        return str(Place(self.cursor, int(self.seen.updated_at.timestamp())))


class TooSlow(Exception):
    """Who follows took nothing for so long that more was to be told than waits for anybody."""


class Following:
    """One who follows a tenant's runs, or some of them."""

    def __init__(self, feed: "Feed", tenant_id: int, position: Cursor) -> None:
        self.tenant_id = tenant_id
        self.runs: set[int] | None = None
        """Which; None is all."""
        self.last: dict[int, SeenRun] = {}
        """What was told of each open one."""
        self._feed = feed
        self._position = position
        """Up to where it was told all."""
        self._queue: asyncio.Queue[Told] = asyncio.Queue(TOLD_MAX)
        self._is_cut = False
        self._seen: dict[int | None, Snapshot] = {}
        """What the states held that it began with, by run; None is of all."""

    def put(self, told: Told) -> None:
        try:
            self._queue.put_nowait(told)
        except asyncio.QueueFull:
            self._is_cut = True

    async def next(self) -> Told:
        """Wait for what is told next.

        Raises:
            TooSlow
        """
        while True:
            if self._is_cut:
                raise TooSlow
            told = await self._queue.get()
            if told.cursor is not None:
                self._position = told.cursor
            new = self._new(told)
            if new is not None:
                return new

    async def begin(self, run_id: int | None = None) -> tuple[list[Told], str]:
        """Read how a run stands, or the tenant's open ones; and from where to go on after that.

        What these states hold already is not told once more.
        """
        runs = self._feed.runs
        seen, snapshot = await runs.standing(self.tenant_id, run_id, limit=STANDING_MAX)
        self._seen[run_id] = snapshot
        told = [self._noted(Told(one)) for one in reversed(seen)]
        return told, str(Place(snapshot.cursor, int(time.time())))

    async def missed(self, since: Place, run_id: int | None = None) -> AsyncGenerator[Told, None]:
        """Yield the moves between a place and what this one is told anyway."""
        feed, after, up_to = self._feed, since.cursor, self._position
        while True:
            moves = await read_missed(
                *(feed.pool, after, up_to),
                tenant_id=self.tenant_id,
                run_id=run_id,
                limit=MISSED_AT_ONCE,
            )
            seen = await feed.runs.at_moves(moves) if moves else {}
            for move in moves:
                if move.id in seen:
                    yield self._noted(Told(seen[move.id], move.cursor))
            if len(moves) < MISSED_AT_ONCE:
                return
            after = moves[-1].cursor

    def _new(self, told: Told) -> Told | None:
        """Pass on what is for this one, and new to it."""
        run_id = told.seen.run.id
        if self.runs is not None and run_id not in self.runs:
            return None
        if told.cursor is not None:
            seen = (self._seen.get(run_id), self._seen.get(None))
            if any(one is not None and one.has(told.cursor.xact) for one in seen):
                return None
            return self._noted(told)
        before = self.last.get(run_id)
        if before is None or not _differs(before, told.seen):
            return None  # it has moved meanwhile
        return self._noted(told)

    def _noted(self, told: Told) -> Told:
        """Note what is told of a run, which is never less far than it was, but by a retry."""
        seen = told.seen
        before = self.last.get(seen.run.id)
        if before is not None and not went_back(before.at.steps, seen.at.steps):
            percent = max(before.progress.percent, seen.progress.percent)
            progress = msgspec.structs.replace(seen.progress, percent=percent)
            seen = msgspec.structs.replace(seen, progress=progress)
        if seen.state in ENDED_RUNS:
            self.last.pop(seen.run.id, None)
        else:
            self.last[seen.run.id] = seen
        return msgspec.structs.replace(told, seen=seen)


class Feed:
    """Reads for all who follow."""

    def __init__(
        self,
        pool: Pool,
        runs: Runs,
        *,
        kept_days: int,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`kept_days`: how long moves are kept."""
        self.pool = pool
        self.runs = runs
        self._kept_s = kept_days * DAY_S - MARGIN_S
        self._look_every_s = look_every_s
        self._open: Counter[int] = Counter()
        """How many follow each tenant."""
        self._following: set[Following] = set()
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._at = Cursor()
        self._percents_at = 0.0

    async def follow(self, tenant_id: int) -> Following:
        """Tell somebody of a tenant's runs from now on, until `leave`.

        Raises:
            TooManyStreams
            TimeoutError: the database does not answer.
        """
        if self._open[tenant_id] >= OF_TENANT_MAX or self._open.total() >= OF_PROCESS_MAX:
            raise TooManyStreams
        self._open[tenant_id] += 1
        try:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
            async with asyncio.timeout(READY_S):
                await self._ready.wait()
        except BaseException:
            self._leave(tenant_id)
            raise
        # At once from here on: what is read behind this cursor is told to it.
        following = Following(self, tenant_id, self._at)
        self._following.add(following)
        return following

    def leave(self, following: Following) -> None:
        """Tell it nothing more."""
        self._following.discard(following)
        self._leave(following.tenant_id)

    def _leave(self, tenant_id: int) -> None:
        self._open[tenant_id] -= 1
        if not self._open[tenant_id]:
            del self._open[tenant_id]
        if not self._open and self._reading is not None:
            self._reading.cancel()
            self._reading = None
            self._ready.clear()

    async def find(self, place: str) -> Place | None:
        """Read a place; None of one behind which moves may be forgotten, or of none of ours."""
        found = Place.read(place)
        if found is None or found.at_s < time.time() - self._kept_s:
            return None
        # One that is ahead is of a database that was restored meanwhile, and counts from elsewhere.
        up_to = await newest(self.pool)
        return found if found.cursor.xact <= up_to.xact + 1 else None

    async def is_over(self, place: Place, tenant_id: int, run_id: int) -> bool:
        """Tell whether nothing more will be told of a run to who has heard up to a place."""
        (seen, *_), _ = await self.runs.standing(tenant_id, run_id, limit=1)
        return seen.state in ENDED_RUNS and not await has_moved(
            self.pool, place.cursor, tenant_id=tenant_id, run_id=run_id
        )

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))

    async def _read(self) -> None:
        is_placed = False
        while True:
            try:
                if is_placed:
                    await self._read_moves()
                    await self._read_percents()
                else:
                    self._at, is_placed = await newest(self.pool), True
                    self._ready.set()
            except Exception as error:  # noqa: BLE001 (told in the log; it goes on where it was)
                log_failure(log, "feed.not_read", error)
            await asyncio.sleep(self._look_every_s)

    async def _read_moves(self) -> None:
        """Tell all that is new."""
        while True:
            moves = await read_moves(self.pool, self._at, limit=READ_AT_ONCE)
            seen: dict[int, SeenRun] = {}
            asked: set[int] = set()
            # Once more for who began to follow while this one read.
            while wanted := [
                move for move in moves if move.tenant_id in self._open and move.id not in asked
            ]:
                asked |= {move.id for move in wanted}
                seen |= await self.runs.at_moves(wanted)
            for move in moves:
                if move.id in seen:
                    self._tell(Told(seen[move.id], move.cursor))
            if moves:
                self._at = moves[-1].cursor
            if len(moves) < READ_AT_ONCE:
                return

    async def _read_percents(self) -> None:
        """Tell of open runs that have not moved how far they are by now."""
        if time.monotonic() < self._percents_at:
            return
        self._percents_at = time.monotonic() + PERCENTS_EVERY_S
        ids = {
            id_
            for following in self._following
            for id_, seen in following.last.items()
            if seen.state is RunState.PROCESSING
        }
        if not ids:
            return
        for seen in await self.runs.of(sorted(ids)[-LOOKED_AT_MAX:]):
            for following in self._following:
                last = following.last.get(seen.run.id)
                # What moved is told by its move.
                if last is not None and last.at == seen.at and _differs(last, seen):
                    following.put(Told(seen))

    def _tell(self, told: Told) -> None:
        for following in self._following:
            if following.tenant_id == told.seen.run.tenant_id:
                following.put(told)


def _differs(before: SeenRun, after: SeenRun) -> bool:
    return before.at == after.at and before.progress.percent < after.progress.percent
