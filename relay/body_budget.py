"""The budget of body bytes in memory: taken as they arrive, so that who sends little holds little.

It has two bounds, each a `Part`: of all bodies together, and of one account's, which is half of it.
Who finds no room waits, unread, and is served in the order in which the bodies began. Bodies that
arrive beside each other may fill a part before one of them is whole, and then none would ever be:
so the one nearest its end may go beyond the bound, one at a time.

A body has a pace to keep. One that has fallen behind it is let go once others wait for what it
holds; while it waits itself, its clock stands.

A body may become longer on its way to Kling, where it names files of ours that are sent as base64:
that is taken beside it (`more`), all at once, and given back when it was sent. Meanwhile it waits
like one that arrives, so that of several which have to grow one always can.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BYTES_PER_S_MIN = 250_000
BEHIND_S = 10.0
"""How far a body may be behind its pace, where others wait."""
SMALL_BYTES = 64 * 1024
"""Bodies up to this take nothing from the budget: a thousand of them are 64 MB."""
EARLY_S = 0.01
"""How much too early a timer may fire."""


class Part:
    """Bytes that some bodies may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.taken = 0
        self.bodies = 0
        self.whole = 0
        """Those that have arrived: they give back what they hold without anybody's help."""
        self.beyond: Share | None = None
        """The one that may go beyond the limit."""


class BodyBudget:
    """Counts the bytes of a process's large bodies."""

    def __init__(self, total_bytes: int, *, behind_s: float = BEHIND_S) -> None:
        self._behind_s = behind_s
        self._all = Part(total_bytes)
        self._of_account: dict[int, Part] = {}
        self._shares: dict[Share, None] = {}
        """In the order in which their bodies began."""
        self._full: set[Part] = set()
        """Where somebody waits for room."""
        self._alarm: asyncio.TimerHandle | None = None

    def open(self, account_id: int, size: int) -> "Share":
        """Begin a body that may become `size` bytes; it holds nothing yet."""
        own = self._of_account.get(account_id)
        if own is None:
            own = self._of_account[account_id] = Part(self._all.limit_bytes // 2)
        share = Share(self, account_id, (own, self._all), size)
        share.good_until_s = _now_s() + self._behind_s
        for part in share.parts:
            part.bodies += 1
        self._shares[share] = None
        return share

    @asynccontextmanager
    async def more(
        self, account_id: int, size: int, *, beside: "Share | None"
    ) -> AsyncIterator[None]:
        """Have `size` more bytes in memory, once there is room, until they were sent.

        `beside`: what the body holds that they belong to, whole; None of one that holds nothing.
        """
        if size <= SMALL_BYTES:
            yield
            return
        share = self.open(account_id, 0) if beside is None else beside
        had = share.taken
        if share.is_whole:
            self._set_whole(share, is_whole=False)
        share.size += size
        try:
            try:
                await self.grow(share, size)
            finally:
                self._set_whole(share, is_whole=True)
            yield
        finally:
            share.size -= size
            self._give_back(share, share.taken - had)
            if beside is None:
                self.close(share)

    async def grow(self, share: "Share", size: int) -> None:
        """Take `size` more bytes for a body, once there is room."""
        began_s = _now_s()
        # What it was ahead of its pace counts no more: who stops is late soon.
        share.good_until_s = min(
            share.good_until_s + size / BYTES_PER_S_MIN, began_s + self._behind_s
        )
        share.wanted = size
        if not self._full and all(self._fits(share, part) for part in share.parts):
            share.take()
            return
        share.place = asyncio.get_running_loop().create_future()
        self._serve()
        try:
            await share.place
        finally:
            share.place = None
            share.good_until_s += _now_s() - began_s

    def end(self, share: "Share") -> None:
        """Note that a body has arrived whole."""
        self._set_whole(share, is_whole=True)

    def close(self, share: "Share") -> None:
        """Take back what a body holds; once."""
        if share not in self._shares:
            return
        del self._shares[share]
        for part in share.parts:
            part.bodies -= 1
            part.taken -= share.taken
            part.whole -= share.is_whole
            if part.beyond is share:
                part.beyond = None
        if not self._of_account[share.account_id].bodies:
            del self._of_account[share.account_id]
        if self._full:
            self._serve()

    def _set_whole(self, share: "Share", *, is_whole: bool) -> None:
        share.is_whole = is_whole
        for part in share.parts:
            part.whole += 1 if is_whole else -1

    def _give_back(self, share: "Share", size: int) -> None:
        share.taken -= size
        for part in share.parts:
            part.taken -= size
        if self._full:
            self._serve()

    def _serve(self) -> None:
        """Give room to those that wait; where nobody can grow, let one of them beyond the bound."""
        while True:
            lacking = self._give()
            # Of each part, not of the first alone.
            if not sum([_let_beyond(part, shares) for part, shares in lacking.items()]):
                break
        self._full = set(lacking)
        self._watch_pace()

    def _give(self) -> dict[Part, list["Share"]]:
        """Serve in order, and return who found no room, by where there was none.

        Behind them nobody gets any there: small bodies that came later would fill every gap, for
        ever. Who waits for its own account's bytes holds up no other one.
        """
        lacking: dict[Part, list[Share]] = {}
        for share in self._shares:
            if not share.waits:
                continue
            short = [
                part
                for part in share.parts
                if not self._fits(share, part)
                or (part in lacking and not self._may_exceed(share, part))
            ]
            for part in short:
                lacking.setdefault(part, []).append(share)
            if not short:
                share.take()
        return lacking

    def _fits(self, share: "Share", part: Part) -> bool:
        return part.taken + share.wanted <= part.limit_bytes or self._may_exceed(share, part)

    def _may_exceed(self, share: "Share", part: Part) -> bool:
        # Beyond the whole budget is beyond the account's part too: of two bodies of one account,
        # each could else have what the other one needs.
        return share is part.beyond or share is self._all.beyond

    def _watch_pace(self) -> None:
        """Set the alarm to when the first body will be late that stands in somebody's way."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due_s = [share.good_until_s for share in self._in_the_way()]
        if due_s:
            self._alarm = asyncio.get_running_loop().call_at(min(due_s), self._let_late_go)

    def _let_late_go(self) -> None:
        now_s = _now_s()
        for share in self._in_the_way():
            if share.good_until_s <= now_s + EARLY_S:
                share.let_go()
        self._watch_pace()

    def _in_the_way(self) -> list["Share"]:
        """List the bodies that are being read and hold what others wait for."""
        return [
            share
            for share in self._shares
            if share.taken
            and share.place is None
            and not (share.is_whole or share.is_let_go)
            and not self._full.isdisjoint(share.parts)
        ]


class Share:
    """What one body holds of the budget."""

    def __init__(
        self, budget: BodyBudget, account_id: int, parts: tuple[Part, Part], size: int
    ) -> None:
        self._budget = budget
        self.account_id = account_id
        self.parts = parts
        self.size = size
        self.taken = 0
        self.wanted = 0
        self.place: asyncio.Future[None] | None = None
        """What it awaits where there was no room."""
        self.clock: asyncio.Timeout | None = None
        """Ends the reading of it."""
        self.good_until_s = 0.0
        """When it will be late, on the loop's clock, if nothing more comes."""
        self.is_whole = False
        self.is_let_go = False

    @property
    def waits(self) -> bool:
        return self.place is not None and not self.place.done()

    @property
    def left(self) -> int:
        return self.size - self.taken

    async def grow(self, size: int) -> None:
        """Take `size` more bytes, once there is room."""
        await self._budget.grow(self, size)

    def take(self) -> None:
        """Have what it wanted."""
        self.taken += self.wanted
        for part in self.parts:
            part.taken += self.wanted
        if self.place is not None:
            self.place.set_result(None)

    def let_go(self) -> None:
        """End the reading of a body that came too slowly."""
        self.is_let_go = True
        if self.clock is not None:
            self.clock.reschedule(_now_s())

    def end(self) -> None:
        """Note that it has arrived whole."""
        self._budget.end(self)

    def release(self) -> None:
        """Give back all that it holds; more than once is once."""
        self._budget.close(self)


def _let_beyond(part: Part, shares: list[Share]) -> bool:
    """Choose who may go beyond a limit, if nobody may yet and nobody will make room by itself."""
    if part.beyond is not None or part.whole:
        return False
    part.beyond = min(shares, key=lambda share: share.left)
    return True


def _now_s() -> float:
    return asyncio.get_running_loop().time()
