"""What a process counts while it works: plain numbers in memory, shown by `relay/metrics`.

To count is to add to an entry of a dictionary, a fraction of a microsecond: nothing is sent, locked
or written. A family has one entry for each set of labels that was seen. What somebody else chooses,
such as Kling's codes, makes only so many; what comes after that is counted together as `other`. No
label ever names a tenant, a task or a secret.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextvars import ContextVar

SERIES_MAX = 1000
"""Of one counter. A route, a status and a code make one; so do a channel and an outcome."""
TIMED_MAX = 200
"""Of one family of times, each of which is a dozen lines."""
FOLDED_AT_ONCE = 128
"""Answers."""
OTHER = "other"
MICRO = 1_000_000

Labels = tuple[str, ...]

QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Of what we do ourselves."""
CALLS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Of what another server answers."""
TASKS_S = (5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 1800.0, 3600.0, 7200.0)
"""Of a task, from its create to its end."""


class Counter:
    """A sum of whole numbers for each set of labels; it only grows."""

    def __init__(
        self, name: str, about: str, *labels: str, per_unit: int = 1, series_max: int = SERIES_MAX
    ) -> None:
        """`per_unit`: how many of what is added make one of what is shown."""
        self.name, self.about, self.labels = name, about, labels
        self.per_unit = per_unit
        self.by: dict[Labels, int] = {} if labels else {(): 0}
        self._series_max = series_max

    def add(self, *labels: str, amount: int = 1) -> None:
        by = self.by
        if labels not in by:
            labels = self.begin(*labels)
        by[labels] += amount

    def begin(self, *labels: str) -> Labels:
        """Show it before it is first counted: a rate of what was not there is none.

        Returns the labels that it is counted by.
        """
        if labels not in self.by and len(self.by) >= self._series_max:
            labels = (OTHER,) * len(labels)
        self.by.setdefault(labels, 0)
        return labels

    def keep(self, is_kept: Callable[[Labels], bool]) -> None:
        """Forget those whose labels name nothing that there is any more."""
        _keep(self.by, is_kept)


class Spread:
    """How often what was timed took how long."""

    __slots__ = ("counts", "sum_s")

    def __init__(self, bounds: int) -> None:
        self.counts = [0] * (bounds + 1)
        """Up to each bound and no lower one; the last is of what took longer than all."""
        self.sum_s = 0.0


class Timing:
    """A histogram of seconds for each set of labels."""

    def __init__(
        self,
        name: str,
        about: str,
        *labels: str,
        bounds: tuple[float, ...],
        series_max: int = TIMED_MAX,
    ) -> None:
        self.name, self.about, self.labels = name, about, labels
        self.bounds = bounds
        self.by: dict[Labels, Spread] = {} if labels else {(): Spread(len(bounds))}
        self._series_max = series_max

    def add(self, seconds: float, *labels: str) -> None:
        spread = self.by.get(labels)
        if spread is None:
            spread = self.begin(*labels)
        spread.counts[bisect_left(self.bounds, seconds)] += 1
        spread.sum_s += seconds

    def keep(self, is_kept: Callable[[Labels], bool]) -> None:
        """Forget those whose labels name nothing that there is any more."""
        _keep(self.by, is_kept)

    def begin(self, *labels: str) -> Spread:
        """Find where it is counted; from then on it is shown."""
        if labels not in self.by and len(self.by) >= self._series_max:
            labels = (OTHER,) * len(labels)
        return self.by.setdefault(labels, Spread(len(self.bounds)))


Family = Counter | Timing


def _keep(
    by: "dict[Labels, int] | dict[Labels, Spread]", is_kept: Callable[[Labels], bool]
) -> None:
    for labels in [labels for labels in by if not is_kept(labels)]:
        del by[labels]


class Counts:
    """All that one process counts: a family is one row here, and stands in docs/operate.md."""

    def __init__(self, code_word: Callable[[int], str] = str) -> None:
        """`code_word`: spells a code of Kling's."""
        self._code_word = code_word
        self.requests = Counter(
            "relay_http_requests_total",
            "Requests of tenants by route, HTTP status (gone: the client hung up before its body"
            " was read) and the code in Kling's envelope.",
            *("route", "status", "code"),
        )
        self.overhead = Timing(
            "relay_http_overhead_seconds",
            "What requests took, less what they waited for Kling and for their client's body.",
            "route",
            bounds=QUICK_S,
        )
        self.kling_calls = Counter(
            "relay_kling_calls_total",
            "Calls to Kling by channel, operation, outcome and the code in Kling's envelope.",
            *("channel", "operation", "outcome", "code"),
        )
        self.kling_seconds = Timing(
            "relay_kling_call_seconds",
            "How long Kling took to answer, or not to.",
            *("channel", "operation"),
            bounds=CALLS_S,
        )
        self.tasks_ended = Counter(
            "relay_tasks_ended_total",
            "Tasks that ended, by endpoint, model and the state they ended in.",
            *("endpoint", "model", "state"),
        )
        self.task_seconds = Timing(
            "relay_task_seconds",
            "From the create of a task to its success.",
            *("endpoint", "model"),
            bounds=TASKS_S,
        )
        self.charged = Counter(
            "relay_charged_micros_total",
            "What tasks were charged, in micros of the books' currency, by endpoint and model.",
            *("endpoint", "model"),
        )
        self.charge_failures = Counter(
            "relay_charge_failures_total",
            "Charges that the database did not take, each time that one was tried.",
        )
        self.given_back = Counter(
            "relay_corrected_micros_total",
            "What corrections gave back of charges, in micros of the books' currency.",
        )
        self.cost_units = Counter(
            "relay_cost_units_total",
            "What Kling took for tasks in units of a pack, as it said first.",
            "pack",
            per_unit=MICRO,
        )
        self.cost_cash = Counter(
            "relay_cost_cash_micros_total",
            "What Kling took for tasks in money, in micros of that currency, as it said first.",
            "currency",
            series_max=20,
        )
        self.callbacks = Counter(
            "relay_callbacks_total", "Callbacks of Kling's by what became of them.", "result"
        )
        self.callback_seconds = Timing(
            "relay_callback_delay_seconds",
            "From the moment that Kling names in a callback that moved a task to its arrival.",
            bounds=(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
        )
        self.looks = Counter(
            "relay_looks_total",
            "Questions to Kling about one task, by who asked and what the answer was.",
            *("by", "answer"),
        )
        self.deliveries = Counter(
            "relay_delivery_attempts_total",
            "Attempts to tell tenants of their tasks and business, by what became of them.",
            "result",
        )
        self.delivery_seconds = Timing(
            "relay_delivery_attempt_seconds",
            "How long tenants' servers took to answer, or not to.",
            bounds=CALLS_S,
        )
        self.asset_copies = Counter(
            "relay_asset_copies_total",
            "Tries to copy a file of a result, by what became of them.",
            "result",
        )
        self.asset_bytes = Counter("relay_asset_bytes_total", "Bytes of results that were copied.")
        self.database_waits = Timing(
            "relay_database_wait_seconds",
            "How long statements waited for a connection, by what the connection is for.",
            "connections",
            bounds=QUICK_S,
        )
        self.database_seconds = Timing(
            "relay_database_statement_seconds",
            "How long batched statements took, by the connection that they share.",
            "connections",
            bounds=QUICK_S,
        )
        self.database_rows = Counter(
            "relay_database_rows_total",
            "Rows of batched statements: requests that shared one, by its connection.",
            "connections",
        )
        self.database_failures = Counter(
            "relay_database_failures_total",
            "Batched statements that got no answer, by connection: broken, or none to be had.",
            "connections",
        )

        self._waiting: list[tuple[str, int, int, float]] = []
        self._answers: dict[tuple[str, int, int], tuple[Labels, Spread]] = {}
        """What is counted of an answer, by its route, status and code."""

    def note_answer(self, route: str, status: int, code: int, overhead_s: float) -> None:
        """Count a request, and what it took of us; `fold_answers` has it shown.

        Each poll passes here: kept for many to be counted together, it costs half as much.
        """
        waiting = self._waiting
        waiting.append((route, status, code, overhead_s))
        if len(waiting) >= FOLDED_AT_ONCE:
            self.fold_answers()

    def fold_answers(self) -> None:
        """Count what was noted since; whoever shows the counts does it first."""
        waiting, self._waiting = self._waiting, []
        answers, by = self._answers, self.requests.by
        for route, status, code, overhead_s in waiting:
            key = (route, status, code)
            labels, spread = answers.get(key) or self._begin_answer(key)
            by[labels] += 1
            spread.counts[bisect_left(QUICK_S, overhead_s)] += 1
            spread.sum_s += overhead_s

    def _begin_answer(self, key: tuple[str, int, int]) -> tuple[Labels, Spread]:
        route, status, code = key
        labels = self.requests.begin(route, str(status), self._code_word(code))
        found = labels, self.overhead.begin(route)
        if len(self._answers) < SERIES_MAX:
            self._answers[key] = found
        return found

    def __iter__(self) -> Iterator[Family]:
        """Go over all families, in the order above."""
        return (family for family in vars(self).values() if isinstance(family, Family))


class Waits:
    """What one request waits for others than us; of several waits at once the time counts once."""

    __slots__ = ("_open", "_since", "_sum_s")

    def __init__(self) -> None:
        self._sum_s = self._since = 0.0
        self._open = 0

    def __enter__(self) -> None:
        if self._open == 0:
            self._since = time.perf_counter()
        self._open += 1

    def __exit__(self, *_: object) -> None:
        self._open -= 1
        if self._open == 0:
            self._sum_s += time.perf_counter() - self._since

    def until(self, now: float) -> float:
        """Sum them up; a question that nobody waits for any more may still be out."""
        return self._sum_s + (now - self._since if self._open else 0.0)


waits: ContextVar[Waits | None] = ContextVar("waits", default=None)
"""Of the request that is being answered, once it has waited."""


def elsewhere() -> Waits:
    """Find the waits of the request: each of them, for Kling or the client, is in a `with` of it.

    Tasks of a request share them if they were found before those began.
    """
    found = waits.get()
    if found is None:
        found = Waits()
        waits.set(found)
    return found
