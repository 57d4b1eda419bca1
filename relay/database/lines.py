"""How a process divides its connections to Postgres, and which statements share one."""

from typing import NamedTuple

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

    def __init__(self, connect: Connect, *, count: int = LINES) -> None:
        """Nothing is connected yet. `count`: five, or else three."""
        self.holds = Line(connect, durable=True)
        """Takes holds and moves tasks to other channels: accounts, and tasks before they are sent.
        The disk has it before Kling hears of it."""
        self.records = Line(connect, durable=False)
        """Records that Kling took a task, which its tenant waits for: tasks alone."""
        self.reads = Line(connect, durable=False)
        """Finds tasks and tokens, and claims questions: no lock is waited for."""
        self.ends = self.holds
        """Ends tasks with their charges: tasks and accounts, and the disk has it."""
        self.refusals = self.records
        """Ends tasks that Kling refused: tasks and accounts. Apart from `records`, since an account
        may be locked, and those wait for none."""
        if count >= LINES:
            self.ends = Line(connect, durable=True)
            self.refusals = Line(connect, durable=False)

    async def aclose(self) -> None:
        """Disconnect them all, once nobody runs statements any more."""
        for line in {self.holds, self.records, self.reads, self.ends, self.refusals}:
            await line.aclose()
