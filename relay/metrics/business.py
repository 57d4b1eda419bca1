"""`/metrics/business`: the business, the same whichever replica is asked.

A family is one row of `FIGURES`; where it wants what no statement reads yet, that is one more field
of `snapshot.py`.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relay.counts import Labels
from relay.database.cached import Cached
from relay.database.driver import Pool
from relay.health.read import DRAINING, OFF, state_by_operator
from relay.health.rules import GRAVITY, State
from relay.metrics.families import Exposition, Values, write
from relay.metrics.snapshot import Snapshot, read_snapshot

AGE_MAX_S = 10.0
"""Whoever asks more often gets the same figures."""


class Figure(NamedTuple):
    """A row of the table: a family, and where in a snapshot it stands."""

    name: str
    about: str
    labels: Labels
    read: Callable[[Snapshot], Values]

    @property
    def is_counter(self) -> bool:
        return self.name.endswith("_total")


class BusinessMetrics:
    """Reads a snapshot when somebody asks, at most every ten seconds."""

    def __init__(self, pool: Pool) -> None:
        self._snapshots = Cached(
            lambda: read_snapshot(pool),
            of="business figures",
            age_max_s=AGE_MAX_S,
            stale_max_s=AGE_MAX_S,
        )

    async def show(self, accept: str) -> Exposition:
        """Write it all.

        Raises:
            Exception: they could not be read, for whatever reason the database has; old ones would
                be taken for new.
        """
        snapshot = await self._snapshots.get()
        return await asyncio.to_thread(write, _Families(snapshot), accept=accept)

    def forget(self) -> None:
        """Have them read at the next question."""
        self._snapshots.forget()


class _Families(Collector):
    """The families of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for figure in FIGURES:
            kind = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
            family = kind(figure.name, figure.about, labels=figure.labels)
            for labels, value in figure.read(self._snapshot):
                family.add_metric(labels, value)
            yield family


def _summed(pairs: Iterable[tuple[Labels, float]]) -> Values:
    sums: dict[Labels, float] = {}
    for labels, value in pairs:
        sums[labels] = sums.get(labels, 0) + value
    return sums.items()


def _open_tasks(snapshot: Snapshot) -> Values:
    names = snapshot.channel_names()
    return _summed(
        ((_name(names, row["channel_id"]), row["state"]), row["tasks"]) for row in snapshot.open
    )


def _oldest_tasks(snapshot: Snapshot) -> Values:
    names = snapshot.channel_names()
    oldest: dict[Labels, float] = {}
    for row in snapshot.open:
        labels = (_name(names, row["channel_id"]), row["state"])
        oldest[labels] = max(oldest.get(labels, 0.0), row["oldest_s"])
    return oldest.items()


def _slots_taken(snapshot: Snapshot) -> Values:
    names = snapshot.channel_names()
    return _summed(
        ((_name(names, row["channel_id"]), row["pack"]), row["slots"])
        for row in snapshot.open
        if row["state"] != "queued"  # it takes none yet
    )


def _slots(snapshot: Snapshot) -> Values:
    """What was learned, and what the operator set in its place."""
    names = snapshot.channel_names()
    slots: dict[Labels, float] = {
        (names[row["channel_id"]], row["pack"], row["model"]): row["room"]
        for row in snapshot.conditions
        if row["room"] is not None and row["channel_id"] in names
    }
    for row in snapshot.channels:
        for key, room in msgspec.json.decode(row["room"]).items():
            pack, _, model = key.partition("/")
            slots[row["name"], pack, model] = room
    return slots.items()


def _states(snapshot: Snapshot) -> Values:
    """Yield each state that a channel may be in, of which one is 1."""
    worst: dict[int, State] = {}
    for row in snapshot.conditions:
        states = (State(row["state"]), worst.get(row["channel_id"], State.OK))
        worst[row["channel_id"]] = max(states, key=GRAVITY.__getitem__)
    for row in snapshot.channels:
        known = worst.get(row["id"], State.OK).value
        state = state_by_operator(enabled=row["enabled"], is_draining=row["is_draining"]) or known
        for one in (*State, OFF, DRAINING):
            yield (row["name"], str(one)), int(one == state)


def _units(snapshot: Snapshot) -> Values:
    names = snapshot.channel_names()
    for row in snapshot.units:
        if row["channel_id"] in names:
            yield (names[row["channel_id"]], row["kind"]), row["remaining"]


def _expiries(snapshot: Snapshot) -> Values:
    names = snapshot.channel_names()
    for row in snapshot.units:
        if row["channel_id"] in names and row["expires_at"] is not None:
            yield (names[row["channel_id"]], row["kind"]), row["expires_at"]


def _name(names: dict[int, str], channel_id: int) -> str:
    """Name a channel; one that was removed has no open tasks but by a slip."""
    return names.get(channel_id, "removed")


def _entries(snapshot: Snapshot) -> dict[str, int]:
    kinds = dict.fromkeys(("topup", "adjust", "refund", "correction"), 0)
    return kinds | {row["kind"]: int(row["micros"]) for row in snapshot.but_charges}


def _charged(snapshot: Snapshot) -> int:
    """A quota is the sum of its account's entries (M3): what is missing was charged."""
    return sum(_entries(snapshot).values()) - int(snapshot.accounts["quota_micros"])


def _audit(snapshot: Snapshot, column: str) -> Values:
    return [((), row[column]) for row in snapshot.last_audit]


def _last_callbacks(snapshot: Snapshot) -> Values:
    for row in snapshot.channels:
        if row["callback_at"] is not None:
            yield (row["name"],), row["callback_at"]


def _last_backup(snapshot: Snapshot) -> Values:
    at = snapshot.last_backup["at"]
    return [] if at is None else [((), at)]


FIGURES = (
    Figure(
        "relay_tasks_open",
        "Tasks that have not ended, by channel and state.",
        ("channel", "state"),
        _open_tasks,
    ),
    Figure(
        "relay_task_oldest_seconds",
        "How old the oldest of them is.",
        ("channel", "state"),
        _oldest_tasks,
    ),
    Figure(
        "relay_unknown_outcomes",
        "Submits of which nobody knows whether Kling took them.",
        (),
        lambda snapshot: [((), sum(row["in_doubt"] for row in snapshot.open))],
    ),
    Figure(
        "relay_queue_tasks",
        "Creates that wait for room.",
        (),
        lambda snapshot: [((), snapshot.queue["tasks"])],
    ),
    Figure(
        "relay_queue_wait_seconds",
        "How long the one that has waited longest has waited.",
        (),
        lambda snapshot: [((), snapshot.queue["wait_s"])],
    ),
    Figure(
        "relay_looks_late",
        "Tasks that a worker should have looked at a minute ago: none may be alive.",
        (),
        lambda snapshot: [((), snapshot.late_looks["looks"])],
    ),
    Figure(
        "relay_tasks_flagged",
        "Tasks with something for an operator to read.",
        (),
        lambda snapshot: [((), snapshot.flagged["tasks"])],
    ),
    Figure(
        "relay_holds",
        "Open holds.",
        (),
        lambda snapshot: [((), snapshot.accounts["holds"])],
    ),
    Figure(
        "relay_holds_micros",
        "What is held for open tasks.",
        (),
        lambda snapshot: [((), snapshot.accounts["held_micros"])],
    ),
    Figure(
        "relay_quota_micros",
        "What all accounts have left, what is held included, less what others owe.",
        (),
        lambda snapshot: [((), snapshot.accounts["quota_micros"])],
    ),
    Figure(
        "relay_owed_micros",
        "What accounts below zero owe.",
        (),
        lambda snapshot: [((), snapshot.accounts["owed_micros"])],
    ),
    Figure(
        "relay_credit_micros",
        "What all accounts may owe.",
        (),
        lambda snapshot: [((), snapshot.accounts["credit_micros"])],
    ),
    Figure(
        "relay_accounts_overdrawn",
        "Accounts that owe more than their credit.",
        (),
        lambda snapshot: [((), snapshot.accounts["overdrawn"])],
    ),
    Figure(
        "relay_books_charged_micros_total",
        "All charges that were ever entered, before refunds and corrections.",
        (),
        lambda snapshot: [((), _charged(snapshot))],
    ),
    Figure(
        "relay_books_micros",
        "The sum of all other entries, by their kind; signed as they are.",
        ("kind",),
        lambda snapshot: [((kind,), micros) for kind, micros in _entries(snapshot).items()],
    ),
    Figure(
        "relay_books_differences",
        "Rows that differed in the last audit; 0 is right.",
        (),
        lambda snapshot: _audit(snapshot, "differences"),
    ),
    Figure(
        "relay_books_drift_micros",
        "What the books were off by in the last audit; 0 is right.",
        (),
        lambda snapshot: _audit(snapshot, "drift_micros"),
    ),
    Figure(
        "relay_audit_last_timestamp_seconds",
        "When the last audit read the books.",
        (),
        lambda snapshot: _audit(snapshot, "at"),
    ),
    Figure(
        "relay_deliveries",
        "Deliveries to tenants that are due, or were given up and are still kept.",
        ("state",),
        lambda snapshot: [(("due",), snapshot.due["due"]), (("dead",), snapshot.dead["dead"])],
    ),
    Figure(
        "relay_deliveries_late",
        "Deliveries whose moment has come, and that nobody has taken up yet.",
        (),
        lambda snapshot: [((), snapshot.due["overdue"])],
    ),
    Figure(
        "relay_delivery_late_seconds",
        "How late the latest of them is.",
        (),
        lambda snapshot: [((), max(0.0, snapshot.due["late_s"]))],
    ),
    Figure(
        "relay_channel_enabled",
        "1 if the channel takes new tasks, 0 if the operator disabled it.",
        ("channel",),
        lambda snapshot: [((row["name"],), int(row["enabled"])) for row in snapshot.channels],
    ),
    Figure(
        "relay_channel_state",
        "1 for the state that the channel is in, and 0 for all others.",
        ("channel", "state"),
        _states,
    ),
    Figure(
        "relay_channel_slots_taken",
        "Slots at Kling that open tasks take, by the kind of pack that pays for them.",
        ("channel", "pack"),
        _slots_taken,
    ),
    Figure(
        "relay_channel_slots",
        "Slots that there are, as set or learned, of a pack or of one model in it.",
        ("channel", "pack", "model"),
        _slots,
    ),
    Figure(
        "relay_channel_units",
        "Units left in packs that can be used, as Kling told last.",
        ("channel", "pack"),
        _units,
    ),
    Figure(
        "relay_channel_units_expire_timestamp_seconds",
        "When the first of these packs expires.",
        ("channel", "pack"),
        _expiries,
    ),
    Figure(
        "relay_callback_last_timestamp_seconds",
        "When a callback of this channel last reached us, to a minute.",
        ("channel",),
        _last_callbacks,
    ),
    Figure(
        "relay_pauses",
        "Pauses in force.",
        (),
        lambda snapshot: [((), snapshot.pauses["pauses"])],
    ),
    Figure(
        "relay_backup_last_timestamp_seconds",
        "As of when the newest backup is.",
        (),
        _last_backup,
    ),
    Figure(
        "relay_business_read_timestamp_seconds",
        "When these figures were read.",
        (),
        lambda snapshot: [((), snapshot.at)],
    ),
)
