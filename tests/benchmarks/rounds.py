"""Rounds that count: a void one is repeated, and growth takes turns."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from tests.benchmarks import report
from tests.benchmarks.wrk import VoidRoundError

REPEATS = 2
"""How often a round is begun at most, on the average."""


def say(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


async def run_rounds(
    name: str, run: Callable[[], Awaitable[report.Round]], *, rounds: int
) -> list[report.Round]:
    """Run so many that count, or fewer if too many are void; each reason is told."""
    found: list[report.Round] = []
    for _ in range(rounds * REPEATS):
        if len(found) == rounds:
            break
        say(f"{name}: round {len(found) + 1} of {rounds}")
        try:
            one = await run()
        except VoidRoundError as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from error  # Ctrl-C ended the load, nothing is void
            say(f"THE ROUND IS VOID: {error}")
            continue
        if disturbed := report.disturbed([one]):
            say(disturbed)
        found.append(one)
    if len(found) < rounds:
        say(f"{name}: too many void rounds, {len(found)} of {rounds} count")
    return found


async def take_turns(
    sizes: Sequence[int], run: Callable[[int], Awaitable[report.Round]], *, turns: int
) -> report.Sizes:
    """A round of each size a turn; every other turn begins with the most rows.

    So a machine that becomes slower or faster in the meantime does it to both ends alike. Turns
    that are whole are returned, none if the first was not: then no size has a round.
    """
    found: list[dict[int, report.Round]] = []
    for number in range(turns):
        turn: dict[int, report.Round] = {}
        for rows in sorted(sizes, reverse=number % 2 == 1):

            async def run_one(rows: int = rows) -> report.Round:
                return await run(rows)

            for one in await run_rounds(f"growth, {rows:,} rows", run_one, rounds=1):
                turn[rows] = one
            if rows not in turn:
                return _by_size(found)
        found.append(turn)
    return _by_size(found)


def _by_size(turns: Sequence[dict[int, report.Round]]) -> report.Sizes:
    if not turns:
        return {}
    return {rows: [turn[rows] for turn in turns] for rows in sorted(turns[0])}
