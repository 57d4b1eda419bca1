"""What the kernel says, of real processes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.benchmarks.machine import cores_to_use, cpu_of_children_s
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")

# Told a letter a line: b starts a child that burns 0.3 s of CPU and stays, e ends all children.
PARENT = """
import subprocess, sys
BURN = '''
import time
while time.process_time() < 0.3: pass
print("burnt", flush=True)
input()
'''
children = []
for line in sys.stdin:
    if line == "b\\n":
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        child.stdout.readline()
        children.append(child)
    else:
        while children:
            children.pop().communicate(b"end\\n")
    print("done", flush=True)
"""
Tell = Callable[[str], Awaitable[None]]


@pytest.fixture
async def parent() -> AsyncIterator[tuple[int, Tell]]:
    """A process with children, and how to tell it what to do with them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-c", PARENT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def tell(letter: str) -> None:
        stdin.write(f"{letter}\n".encode())
        assert await asyncio.wait_for(stdout.readline(), PATIENCE_S) == b"done\n"

    try:
        yield process.pid, tell
    finally:
        await tell("e")
        stdin.close()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


async def test_a_child_that_ends_takes_no_cpu_with_it(parent: tuple[int, Tell]) -> None:
    """As a connection of Postgres that is closed under load: 0.3 s stay 0.3 s, and are not -0.3."""
    pid, tell = parent
    await tell("b")
    before_s = cpu_of_children_s(pid)

    await tell("e")

    assert before_s >= 0.29
    assert 0 <= cpu_of_children_s(pid) - before_s < 0.2


async def test_a_child_that_comes_and_goes_is_counted(parent: tuple[int, Tell]) -> None:
    """A connection that is opened and closed under load has spent CPU for that load."""
    pid, tell = parent
    before_s = cpu_of_children_s(pid)

    await tell("b")
    await tell("e")

    assert 0.29 <= cpu_of_children_s(pid) - before_s < 0.9


async def test_a_child_that_is_there_all_the_time_is_counted_by_what_it_spends(
    parent: tuple[int, Tell],
) -> None:
    """What it spent before is not counted again."""
    pid, tell = parent
    await tell("b")
    before_s = cpu_of_children_s(pid)

    await tell("b")

    assert 0.29 <= cpu_of_children_s(pid) - before_s < 0.9


def test_the_cores_are_the_first_two_that_we_may_use() -> None:
    """In a container, 0 and 1 may be others'."""

    def allowed_only(cores: set[int]) -> tuple[int, int]:
        os.sched_setaffinity(0, cores)  # of this thread
        return cores_to_use()

    cores = sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(1) as thread:
        all_of_them = thread.submit(allowed_only, set(cores)).result()
        the_last = thread.submit(allowed_only, {cores[-1]}).result()

    assert list(all_of_them) == (cores * 2)[:2]
    assert the_last == (cores[-1], cores[-1])
