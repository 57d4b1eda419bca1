"""What a create needs of a channel, and what keeps a channel from it, as this process knows it."""

import time
from datetime import datetime

import msgspec

from relay.database.driver import Record
from relay.database.ids import TaskId
from relay.health.rules import RULES, TROUBLE, UNREACHABLE, Rule, State

Key = tuple[int, str, str]
"""Channel, pack, model."""


class Need(msgspec.Struct, frozen=True):
    """What a create asks of a channel."""

    tenant_id: int
    pack: str = ""
    """Whose units pay for it; '' if it is free."""
    model: str = ""
    """In lower case; the endpoint's name where it has none; '' if it is free."""
    slots: int = 0
    """How many of the account's it takes (docs/kling-api.md 9)."""
    room_min: int = 0
    """With fewer taken than that, of the pack, its tenant is served before all who wait."""
    has_waited: bool = False
    """It comes from the queue, whose turn it is."""
    has_failed: bool = False
    """Kling broke on it before, and surely made nothing of it."""

    def keys(self, channel_id: int) -> tuple[Key, ...]:
        """List the keys of all that could keep a channel from it."""
        if not self.pack:
            return ((channel_id, "", ""),)
        return (
            (channel_id, "", ""),
            (channel_id, self.pack, ""),
            (channel_id, "", self.model),
            (channel_id, self.pack, self.model),
        )


class Condition(msgspec.Struct, frozen=True):
    """A row of `channel_conditions`."""

    channel_id: int
    pack: str
    model: str
    state: State
    code: int | None
    reason: str
    try_at_s: float
    """On this process's monotonic clock."""
    tries: int = 0
    room: int | None = None
    is_probed: bool = False
    since: datetime | None = None
    failed_at: datetime | None = None
    """Both None until they are read."""

    @property
    def key(self) -> Key:
        return self.channel_id, self.pack, self.model

    @property
    def is_of_room(self) -> bool:
        """Tell whether it lasts only while as many tasks run as there were slots."""
        return self.room is not None


class Chance(msgspec.Struct, frozen=True):
    """Whether a channel may take a create."""

    wait_s: float = 0.0
    """Until it may; infinite if no create ends what keeps it."""
    soon_s: float = 0.0
    """Until it may be over: by a free question, or by the one who tries, sooner than that."""
    tries: tuple[Condition, ...] = ()
    """What is to be claimed first."""
    is_busy: bool = False
    """It waits for Kling's pace alone, which a tenant may be told (T3)."""
    full: tuple[Key, ...] = ()
    fits: bool = True
    """Whether there are slots enough when nothing runs."""

    @property
    def is_for_slots(self) -> bool:
        """Tell whether it lacks but slots that become free."""
        return bool(self.full) and self.fits and all(one.is_of_room for one in self.tries)


READY = Chance()


class Admission(msgspec.Struct, frozen=True):
    """A create that may be sent to one channel."""

    need: Need
    tries: tuple[Condition, ...] = ()
    """What it is to show the end of."""
    task_id: TaskId | None = None


def read_condition(row: Record, *, now_s: float | None = None) -> Condition:
    """Make one of a record of `READ`, with `due_in_s`."""
    now_s = time.monotonic() if now_s is None else now_s
    return Condition(
        channel_id=row["channel_id"],
        pack=row["pack"],
        model=row["model"],
        state=State(row["state"]),
        code=row["code"],
        reason=row["reason"],
        try_at_s=now_s + row["due_in_s"],
        tries=row["tries"],
        room=row["room"],
        is_probed=row["is_probed"],
        since=row["since"],
        failed_at=row["failed_at"],
    )


def rule_of(condition: Condition) -> Rule:
    """Look up by what it came to be; where there was no answer, or a page."""
    if condition.code is None or condition.code not in RULES:
        return UNREACHABLE if condition.is_probed else TROUBLE
    return RULES[condition.code]


def pause_s(rule: Rule, tries: int, retry_after: str = "") -> float:
    asked_s = float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else 0.0
    doubled = rule.pause_s * 2.0 ** min(tries, 20)
    return min(rule.pause_most_s, max(doubled, asked_s))


def soon_over_s(condition: Condition, due_s: float) -> float:
    """Say when it may be over that is to be tried in `due_s`.

    If that is later than any pause, somebody tries now, and tells long before the lease ends.
    """
    rule = rule_of(condition)
    usual_s = pause_s(rule, condition.tries)
    is_tried = due_s > (usual_s if rule.is_probed else rule.pause_most_s)
    return usual_s if is_tried else due_s
