"""Which rounds count, and in which order those of growth come."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from tests.benchmarks.report import Round
from tests.benchmarks.rounds import run_rounds, take_turns
from tests.benchmarks.wrk import Measured, VoidRoundError
from tests.waiting import PATIENCE_S, play_dead


def _round(number: int) -> Round:
    return {"relay: a": Measured(number, 1.0, 2.0, 9.0)}


def _rounds(outcomes: Iterable[bool]) -> Callable[[], Awaitable[Round]]:
    """Rounds by number; those that are False are void."""
    left = enumerate(outcomes)

    async def run() -> Round:
        number, counts = next(left)
        if not counts:
            raise VoidRoundError(f"reason {number}")
        return _round(number)

    return run


async def test_a_void_round_is_repeated_and_its_reason_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three rounds that count, of four."""
    found = await run_rounds("all", _rounds([True, False, True, True]), rounds=3)

    assert found == [_round(0), _round(2), _round(3)]
    assert "THE ROUND IS VOID: reason 1" in capsys.readouterr().err


async def test_what_counts_is_kept_when_too_much_is_void(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Six tries for three rounds; the one that counted is minutes of work."""
    found = await run_rounds("all", _rounds([False, True, False, False, False, False]), rounds=3)

    assert found == [_round(1)]
    assert "all: too many void rounds, 1 of 3 count" in capsys.readouterr().err


async def test_a_round_that_is_stopped_is_not_void() -> None:
    """Ctrl-C ends wrk too: its error must not begin the round again."""

    begun: list[str] = []

    async def run() -> Round:
        begun.append("a round")
        try:
            if len(begun) == 1:
                await play_dead()
            return _round(0)
        except asyncio.CancelledError as error:
            raise VoidRoundError("wrk ended with 130") from error

    rounds = asyncio.create_task(run_rounds("all", run, rounds=3))
    await asyncio.sleep(0)

    rounds.cancel()
    await asyncio.wait({rounds}, timeout=PATIENCE_S)

    assert rounds.cancelled()
    assert len(begun) == 1


async def test_growth_begins_every_other_turn_with_the_most_rows() -> None:
    """So what becomes slower meanwhile does so for both ends alike."""
    order: list[int] = []

    async def run(rows: int) -> Round:
        order.append(rows)
        return _round(len(order))

    found = await take_turns([10, 1000], run, turns=2)

    assert order == [10, 1000, 1000, 10]
    assert found == {10: [_round(1), _round(4)], 1000: [_round(2), _round(3)]}


@pytest.mark.parametrize(("whole", "kept"), [(0, {}), (1, {10: [_round(10)], 20: [_round(20)]})])
async def test_growth_keeps_the_turns_that_are_whole(whole: int, kept: dict[int, object]) -> None:
    """A ratio takes both ends of one turn."""
    begun: list[int] = []

    async def run(rows: int) -> Round:
        begun.append(rows)
        if rows == 10 and begun.count(10) > whole:
            raise VoidRoundError("the books are wrong")
        return _round(rows)

    assert await take_turns([10, 20], run, turns=3) == kept


async def test_no_sizes_are_no_growth() -> None:
    """Where it was not asked for."""

    async def run(rows: int) -> Round:
        raise AssertionError(rows)

    assert await take_turns([], run, turns=2) == {}
