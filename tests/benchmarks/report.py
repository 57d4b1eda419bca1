"""Rounds to tables: medians over the rounds, ratios within each round first."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from tests.benchmarks.wrk import Measured

Round = Mapping[str, Measured]
"""By "contender: work"."""
Sizes = Mapping[int, Sequence[Round]]
"""Rounds by the number of rows before them."""

NAMES = {
    "stub": "stub alone",
    "nginx: submit": "nginx, POST",
    "nginx: paced": "nginx, POST, paced to the rate of (h)",
    "nginx: poll": "nginx, GET",
    "pgbench: 1000": "pgbench, bare hold, 1,000 tenants",
    "pgbench: 1": "pgbench, bare hold, one tenant",
    "litellm: submit": "LiteLLM pass-through, POST",
    "relay: a": "(a) submit, 1,000 tenants, 128 clients",
    "relay: b": "(b) submit, one tenant",
    "relay: a paced": "(a) paced to the rate of (h)",
    "relay: c": "(c) poll 2,000 live tasks just asked about, 128 clients",
    "relay: c 1 Hz": "(c) poll 2,000 live tasks, each at 1 Hz",
    "relay: c 1 Hz, no callbacks": "(c) the same, callbacks off",
    "relay: d": "(d) poll finished tasks",
    "relay: e": "(e) callbacks in a burst, until the last charge",
    "relay: f 13 MB": "(f) submit, 13 MB bodies, 8 at a time",
    "relay: f 60 MB": "(f) submit, 60 MB bodies, 8 offered",
    "direct: submit": "(g) POST to the stub itself, one client",
    "direct: poll": "(g) GET from the stub itself, one client",
    "relay: g submit": "(g) submit, one client",
    "relay: g poll": "(g) poll, one client",
    "relay: h": "(h) submit, 500 in flight, Kling takes 200 ms",
    "relay: h stub": "(h) POST to the slow Kling itself, 500 clients",
    "relay: a two": "(a) with two processes on the one core, memory of both",
    "relay: mix": "a mix: polls, submits and callbacks at once",
}


@dataclass(frozen=True)
class Goal:
    """One line of what must be reached."""

    name: str
    value: Callable[[Round], float]
    must: float
    stretch: float = math.nan
    """NaN: none."""
    is_most: bool = False
    """The figure must stay below, not come above."""
    unit: str = ""

    def says(self, found: float) -> str:
        if math.isnan(found):
            return "not measured"

        def reaches(bound: float) -> bool:
            return found <= bound if self.is_most else found >= bound

        if reaches(self.stretch):
            return "met, stretch too"
        return "met" if reaches(self.must) else "**not met**"


def _cpu(one: str, other: str) -> Callable[[Round], float]:
    return lambda found: found[one].cpu_us / found[other].cpu_us


def _rate(one: str, other: str) -> Callable[[Round], float]:
    """Against the other's rate on a full core, even where the load could not fill it.

    Of two works of the relay, as they were: both wait for the same database.
    """

    def ratio(found: Round) -> float:
        if other not in found:
            return math.nan
        against = found[other]
        is_rival = against.cpu_s and not other.startswith("relay: ")
        rate = against.full_rate if is_rival else against.rate
        return found[one].rate / rate

    return ratio


def _note(work: str, name: str) -> Callable[[Round], float]:
    return lambda found: found[work].notes[name]


GOALS = (
    Goal("(a) rate, of nginx's", _rate("relay: a", "nginx: submit"), 0.06, 0.12),
    Goal("(a) CPU, times nginx's", _cpu("relay: a", "nginx: submit"), 14, 8, is_most=True),
    Goal("(a) of pgbench's bare hold", _rate("relay: a", "pgbench: 1000"), 0.5, 0.9),
    Goal("(b) of pgbench's bare hold", _rate("relay: b", "pgbench: 1"), 1.5, 2.5),
    Goal("(a) times LiteLLM's rate", _rate("relay: a", "litellm: submit"), 50, 100),
    Goal("(c) rate, of nginx's", _rate("relay: c", "nginx: poll"), 0.20, 0.30),
    Goal("(d) rate, of nginx's", _rate("relay: d", "nginx: poll"), 0.20, 0.30),
    Goal(
        "(c) upstream GETs per GET, callbacks on",
        _note("relay: c 1 Hz", "upstream per GET"),
        0.05,
        0.025,
        is_most=True,
    ),
    Goal(
        "(c) upstream GETs per GET, callbacks off",
        _note("relay: c 1 Hz, no callbacks", "upstream per GET"),
        0.4,
        0.2,
        is_most=True,
    ),
    Goal("(e) of (a)'s rate", _rate("relay: e", "relay: a"), 1.0, 2.0),
    Goal(
        "(f) memory, 8 of 13 MB",
        lambda found: found["relay: f 13 MB"].memory_mb,
        400,
        300,
        is_most=True,
        unit=" MB",
    ),
    Goal(
        "(f) memory, 8 of 60 MB offered",
        lambda found: found["relay: f 60 MB"].memory_mb,
        400,
        300,
        is_most=True,
        unit=" MB",
    ),
    Goal(
        "(g) added to a submit, median",
        lambda found: found["relay: g submit"].p50_ms - found["direct: submit"].p50_ms,
        2.0,
        1.2,
        is_most=True,
        unit=" ms",
    ),
    Goal(
        "(g) added to a poll, median",
        lambda found: found["relay: g poll"].p50_ms - found["direct: poll"].p50_ms,
        0.67,
        0.4,
        is_most=True,
        unit=" ms",
    ),
    Goal("(h) CPU, of (a)'s", _cpu("relay: h", "relay: a"), 1.3, 1.1, is_most=True),
    Goal(
        "`relay serve` ready, on one core",
        _note("relay: a", "ready s"),
        1.5,
        is_most=True,
        unit=" s",
    ),
    Goal("two processes: CPU, of one's", _cpu("relay: a two", "relay: a"), 1.1, 1.0, is_most=True),
)
GOALS_HEAD = "| work | must | stretch | measured | |\n|---|---|---|---|---|"
GROWTH_MUST, GROWTH_STRETCH = 1.15, 1.05
FOREIGN_MAX = 0.05
GROWING = ("relay: a", "relay: b", "relay: c", "relay: d", "relay: e")


def works_table(rounds: Sequence[Round]) -> str:
    """Medians per work; CPU first."""
    lines = [
        "| work | CPU a request | requests/s | p50 | p99 | memory | Postgres CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, name in NAMES.items():
        found = [one[key] for one in rounds if key in one]
        if found:
            lines.append(f"| {name} | {' | '.join(_cells(found))} |")
    return "\n".join(lines)


def _cells(found: Sequence[Measured]) -> list[str]:
    requests = median(one.requests for one in found)
    database_us = median(one.database_cpu_s for one in found) / requests * 1e6
    return [
        _shown(median(one.cpu_us for one in found), "us"),
        _number(median(one.rate for one in found)),
        _shown(median(one.p50_ms for one in found), "ms"),
        _shown(median(one.p99_ms for one in found), "ms"),
        _shown(median(one.memory_mb for one in found), "MB"),
        _shown(database_us, "us"),
    ]


def _shown(number: float, unit: str) -> str:
    if math.isnan(number) or number == 0:
        return ""
    return f"{_number(number)} {unit}"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def goals_table(rounds: Sequence[Round]) -> str:
    """The median of each round's ratio against what it must reach."""
    lines = [_line(goal, median(goal.value(one) for one in rounds)) for goal in GOALS]
    return "\n".join([GOALS_HEAD, *lines])


def growth_goals(sizes: Sizes) -> str:
    """The same for CPU per request with the most rows against the fewest; empty for one size."""
    lines = [_line(_growth_goal(work), ratio) for work, ratio in growth_ratios(sizes).items()]
    return "\n".join([GOALS_HEAD, *lines]) if lines else ""


def _line(goal: Goal, found: float) -> str:
    bound = "at most" if goal.is_most else "at least"
    shown = "" if math.isnan(found) else f"{found:.3g}{goal.unit}"
    stretch = "" if math.isnan(goal.stretch) else f"{goal.stretch:g}{goal.unit}"
    return (
        f"| {goal.name} | {bound} {goal.must:g}{goal.unit} | {stretch}"
        f" | {shown} | {goal.says(found)} |"
    )


def growth_ratios(sizes: Sizes) -> dict[str, float]:
    """CPU per request with the most rows against that with the fewest, by work.

    The ratio is taken within each turn: its rounds ran next to each other.
    """
    if len(sizes) < 2:
        return {}
    pairs = list(zip(sizes[min(sizes)], sizes[max(sizes)], strict=True))
    return {
        work: median(most[work].cpu_us / fewest[work].cpu_us for fewest, most in pairs)
        for work in GROWING
    }


def _growth_goal(work: str) -> Goal:
    name = f"({work[-1]}) growth, most rows to fewest: CPU"
    return Goal(name, lambda _: math.nan, GROWTH_MUST, GROWTH_STRETCH, is_most=True)


def disturbed(rounds: Sequence[Round]) -> str:
    """Say which works had not their core for themselves; empty if all had."""
    shares: dict[str, float] = {}
    for one in rounds:
        for key, measured in one.items():
            if measured.cpu_s and measured.foreign > FOREIGN_MAX:
                shares[key] = max(measured.foreign, shares.get(key, 0.0))
    shown = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
    return f"Not calm: others used the contender's core during {shown}." if shown else ""


def growth_table(sizes: Sizes) -> str:
    """CPU per request of the relay, and of Postgres after it, by the number of rows."""
    lines = [
        "| CPU a request: relay, Postgres | "
        + " | ".join(f"{rows:,} rows" for rows in sizes)
        + " |",
        "|---|" + "---|" * len(sizes),
    ]
    for work in GROWING:
        cells = []
        for rounds in sizes.values():
            found = [one[work] for one in rounds]
            database_us = median(one.database_cpu_s / one.requests * 1e6 for one in found)
            cells.append(f"{median(one.cpu_us for one in found):.0f}, {database_us:.0f} us")
        lines.append(f"| {NAMES[work]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_data(rounds: Sequence[Round]) -> list[dict[str, dict[str, object]]]:
    """For the JSON file: every figure of every round."""
    return [
        {
            key: {**asdict(one), "rate": one.rate, "cpu_us": one.cpu_us}
            for key, one in round_.items()
        }
        for round_ in rounds
    ]
