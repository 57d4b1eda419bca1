"""Ctrl-C and SIGTERM, sent to a real process."""

import asyncio
import os
import signal
import sys

import pytest

from tests.e2e.processes import REPOSITORY
from tests.waiting import PATIENCE_S

PROGRAM = """
import asyncio, sys
from tests.benchmarks.stopping import run_until_stopped

async def main():
    try:
        print("begun", flush=True)
        await asyncio.sleep(float(sys.argv[1]))
        if len(sys.argv) > 2:
            raise SystemExit(sys.argv[2])
    finally:
        await asyncio.sleep(0.01)
        print("cleaned", flush=True)

sys.exit(run_until_stopped(main()))
"""


async def _start(*rest: str, sleep_s: float) -> asyncio.subprocess.Process:
    """Start it; `rest`: with which sentence it ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(sleep_s), *rest),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_S) == b"begun\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_cleans_up_and_ends_with_one_sentence(
    number: signal.Signals, code: int
) -> None:
    """And the exit code that shells know it by; no traceback."""
    process = await _start(sleep_s=60)

    process.send_signal(number)
    said, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert said == b"cleaned\n"
    assert errors.decode() == f"Stopped by {number.name}; what was started has ended.\n"
    assert process.returncode == code


async def test_without_a_signal_it_ends_with_0() -> None:
    """And says nothing."""
    process = await _start(sleep_s=0)

    said, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert (said, errors, process.returncode) == (b"cleaned\n", b"", 0)


async def test_an_end_of_its_own_cleans_up_too() -> None:
    """Where too much was void: the sentence, and exit code 1."""
    process = await _start("too many void rounds", sleep_s=0)

    said, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert said == b"cleaned\n"
    assert (errors, process.returncode) == (b"too many void rounds\n", 1)
