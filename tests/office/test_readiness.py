"""What a process knows of itself, without a database."""

import asyncio

import pytest

from relay.pages.health import Readiness


async def run_for_ever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("a bug")


async def test_loops_that_nobody_stopped_have_failed() -> None:
    """Not while they run, nor once they were cancelled, as at each end; by an error they have."""
    readiness = Readiness()
    without = readiness.have_loops_failed

    readiness.loops = running = asyncio.create_task(run_for_ever())
    while_they_run = readiness.have_loops_failed
    running.cancel()
    await asyncio.wait({running})
    stopped = readiness.have_loops_failed

    readiness.loops = failing = asyncio.create_task(fail())
    await asyncio.wait({failing})

    assert (without, while_they_run, stopped) == (False, False, False)
    assert readiness.have_loops_failed
    with pytest.raises(ValueError, match="a bug"):
        failing.result()
