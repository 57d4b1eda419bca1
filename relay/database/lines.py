"""How a process divides its connections to Postgres, and which statements share one."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from relay.counts import Counts
from relay.database.line import Connect, Line

LINES, LINES_FEW = 5, 3
POOLED_MIN, SESSIONS_MIN, CHORES = 2, 1, 1
"""One of the pool's may be held for long, by a large page; chores have one for themselves, since
the audit takes minutes."""


class Shares(NamedTuple):
    """How many of its connections a process has for what."""

    lines: int
    """For batched statements."""
    pool: int
    sessions: int
    chores: int


def share(connections: int) -> Shares:
    """Divide what the settings allow: 7 to 12.

    Lines are what tenants wait for at each request, so they have theirs apart as long as the others
    have the least that they need.
    """
    least = POOLED_MIN + SESSIONS_MIN + CHORES
    lines = LINES if connections >= LINES + least else LINES_FEW
    spare = connections - lines - least
    assert spare >= 0, "checked when the settings were read"
    return Shares(lines, POOLED_MIN + (spare + 1) // 2, SESSIONS_MIN + spare // 2, CHORES)


class Lines:
    """The lines of one process.

    What waits for a lock holds up its line for as long, so a line is shared by what waits for the
    same locks anyway; and `reads` by what waits for none: it reads, or skips what is locked.
    """

    def __init__(
        self, connect: Connect, *, count: int = LINES, counts: Counts | None = None
    ) -> None:
        """Nothing is connected yet. `count`: five, or else three."""
        line = partial(Line, connect, counts=counts or Counts())
        self.holds = line(durable=True, name="holds")
        """Takes holds and moves tasks to other channels: accounts, and tasks before they are sent.
        The disk has it before Kling hears of it."""
        self.records = line(durable=False, name="records")
        """Records that Kling took a task, which its tenant waits for: tasks alone."""
        self.reads = line(durable=False, name="reads")
        """Finds tasks and tokens, and claims questions: no lock is waited for."""
        self.ends = self.holds
        """Ends tasks with their charges: tasks and accounts, and the disk has it."""
        self.refusals = self.records
        """Ends tasks that Kling refused: tasks and accounts. Apart from `records`, since an account
        may be locked, and those wait for none."""
        if count >= LINES:
            self.ends = line(durable=True, name="ends")
            self.refusals = line(durable=False, name="refusals")

    async def aclose(self) -> None:
        """Disconnect them all, once nobody runs statements any more."""
        for line in self:
            await line.aclose()

    def __iter__(self) -> Iterator[Line]:
        """Go over each of them once."""
        lines = (self.holds, self.records, self.reads, self.ends, self.refusals)
        return iter(dict.fromkeys(lines))
