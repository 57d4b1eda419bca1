"""The harness's own arithmetic: what a verdict, a ratio and a count are made of."""

import math
from collections.abc import Mapping

import pytest

from tests.benchmarks import report
from tests.benchmarks.counts import Counts
from tests.benchmarks.report import GOALS, Goal, Round
from tests.benchmarks.wrk import Measured


def _measured(*, cpu_us: float = 100.0, rate: float = 1000.0, busy: float = 1.0) -> Measured:
    """One second of a load."""
    number = int(rate)
    return Measured(number, 1.0, 2.0, 9.0, cpu_s=cpu_us * number / 1e6, busy=busy, memory_mb=50.0)


def _round(changed: Mapping[str, Measured]) -> Round:
    """Every work alike, but for those."""
    found = {key: _measured() for key in report.NAMES if key != "litellm: submit"}
    found |= changed
    for one in found.values():
        one.notes.update({"upstream per GET": 0.03, "ready s": 1.0})
    return found


def _goal(name: str) -> Goal:
    (found,) = (goal for goal in GOALS if goal.name == name)
    return found


def test_a_rate_is_held_against_the_full_core_of_the_other() -> None:
    """nginx at half a core counts as twice its rate: the load was the limit, not nginx."""
    one = _round({"nginx: submit": _measured(rate=8000, busy=0.5), "relay: a": _measured(rate=800)})

    assert _goal("(a) rate, of nginx's").value(one) == pytest.approx(0.05)


def test_a_contender_without_cpu_figures_is_taken_at_its_rate() -> None:
    """pgbench spends its CPU in Postgres, so its own core says nothing."""
    pgbench = Measured(2000, 1.0, 2.0, math.nan)
    one = _round({"pgbench: 1000": pgbench, "relay: a": _measured(rate=1500)})

    assert _goal("(a) of pgbench's bare hold").value(one) == pytest.approx(0.75)


def test_added_latency_is_over_the_way_without_a_relay() -> None:
    """The relay's median less the stub's own."""
    direct, relayed = _measured(), _measured()
    direct.p50_ms, relayed.p50_ms = 0.5, 2.0

    one = _round({"direct: submit": direct, "relay: g submit": relayed})

    assert _goal("(g) added to a submit, median").value(one) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("found", "said"),
    [(0.5, "met, stretch too"), (1.2, "met"), (1.4, "**not met**"), (math.nan, "not measured")],
)
def test_a_figure_that_must_stay_low_is_judged_so(found: float, said: str) -> None:
    """At most 1.3, and 1.1 for the stretch."""
    assert _goal("(h) CPU, of (a)'s").says(found) == said


def test_the_goals_table_has_a_line_for_each_goal_and_says_what_was_not_measured() -> None:
    """The median over the rounds of each round's ratio, not the ratio of medians."""
    rounds = [
        _round({"relay: h": _measured(cpu_us=cpu_us), "relay: a": _measured(cpu_us=base)})
        for cpu_us, base in ((100, 100), (240, 200), (900, 300))
    ]

    lines = report.goals_table(rounds).splitlines()

    assert len(lines) == len(GOALS) + 2
    assert "| (h) CPU, of (a)'s | at most 1.3 | 1.1 | 1.2 | met |" in lines
    assert "| (a) times LiteLLM's rate | at least 50 | 100 |  | not measured |" in lines


def test_growth_compares_rounds_that_ran_next_to_each_other() -> None:
    """The ratio is taken within each turn, then its median over the turns."""
    few = [_round({"relay: a": _measured(cpu_us=cpu_us)}) for cpu_us in (100, 200, 100)]
    many = [_round({"relay: a": _measured(cpu_us=cpu_us)}) for cpu_us in (110, 220, 500)]

    lines = report.growth_goals({10_000: few, 10_000_000: many}).splitlines()

    (line,) = (line for line in lines if line.startswith("| (a) growth"))
    assert line.endswith("| at most 1.15 | 1.05 | 1.1 | met |")


def test_one_size_has_nothing_to_grow_from() -> None:
    """No line, rather than one that is met by being compared with itself."""
    assert report.growth_goals({10_000: [_round({})]}) == ""


def test_a_goal_without_a_stretch_is_met_and_no_more() -> None:
    """The issue names none for the start of `relay serve`."""
    lines = report.goals_table([_round({})]).splitlines()

    assert "| `relay serve` ready, on one core | at most 1.5 s |  | 1 s | met |" in lines


def test_the_works_table_leaves_out_what_was_not_measured() -> None:
    """CPU per request first; no line for LiteLLM where it was not asked for."""
    table = report.works_table([_round({})])

    assert "LiteLLM" not in table
    assert "| (b) submit, one tenant | 100 us | 1,000 | 2 ms | 9 ms | 50 MB |" in table


def test_a_submit_is_a_row_with_a_hold_and_its_end_a_charge() -> None:
    """What the counts of a round are held against."""
    after = Counts(10, 4, 6).with_submits(3).with_ends(5)

    assert after == Counts(tasks=13, holds=2, charges=11)
