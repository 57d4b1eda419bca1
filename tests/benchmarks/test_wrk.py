"""What is read from wrk's output, by a program that says what wrk would."""

import asyncio
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks import machine
from tests.benchmarks.wrk import (
    Load,
    Measured,
    Request,
    VoidRoundError,
    read,
    run,
    together,
)
from tests.waiting import PATIENCE_S, play_dead


async def _said(*lines: str, code: int = 0) -> Measured:
    said = shlex.quote("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"trap '' INT; printf %s {said}; exit {code}"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        return await asyncio.wait_for(read(process), PATIENCE_S)
    finally:
        await process.wait()


async def test_a_load_that_is_cut_is_counted_by_wrk() -> None:
    """Requests, seconds and percentiles of the summary; other lines are passed over."""
    found = await _said("Running 3s test", "summary\t300\t3.000000\t0\t0\t1.5000\t9.2500")

    assert (found.requests, found.rate) == (300, 100)
    assert (found.p50_ms, found.p99_ms) == (1.5, 9.25)


async def test_a_load_with_an_exact_end_is_counted_until_its_last_answer() -> None:
    """Not until wrk ends, which waits."""
    found = await _said("finished\t50\t0.500000", "summary\t50\t30.000000\t0\t0\t1.0\t2.0")

    assert (found.requests, found.seconds) == (50, 0.5)


@pytest.mark.parametrize("errors", ["1\t0", "0\t2"])
async def test_an_error_or_a_lost_answer_makes_the_round_void(errors: str) -> None:
    """A status over 399, or a connection that broke: the rate would not be that of the work."""
    with pytest.raises(VoidRoundError):
        await _said(f"summary\t300\t3.0\t{errors}\t1.5\t9.2")


async def test_a_wrk_that_fails_makes_the_round_void() -> None:
    """Without a summary there is no figure."""
    with pytest.raises(VoidRoundError, match="ended with 1"):
        await _said("unable to connect", code=1)


def test_a_request_is_one_line() -> None:
    """As load.lua takes it apart."""
    line = Request("/v1/videos/text2video", "key", '{"a":1}').line()

    assert line == 'POST\t/v1/videos/text2video\tkey\t{"a":1}\n'


@pytest.fixture
def endless_wrk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Have a `wrk` that does not end; its pid, once it has begun."""
    if sys.platform != "linux":
        pytest.skip("loads need Linux")
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "wrk"
    program.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return lambda: int((tmp_path / "pids").read_text())


async def test_a_wrk_that_does_not_end_makes_the_round_void_and_is_ended(
    endless_wrk: Callable[[], int], tmp_path: Path
) -> None:
    """The reason names the load; a `TimeoutError` would end all rounds."""
    load = Load([Request("/path", "key")], 7, 0.4)

    with pytest.raises(VoidRoundError, match=r"has not ended after .*7 connections, POST /path"):
        await run(load, 1, tmp_path, core=machine.LOAD_CORE, spare_s=0.3)

    with pytest.raises(ProcessLookupError):
        os.kill(endless_wrk(), 0)


async def test_a_load_that_fails_ends_the_others_before_it_is_told() -> None:
    """Else they would run into what is measured next."""
    ended: list[str] = []

    async def go_on() -> None:
        try:
            await play_dead()
        finally:
            await asyncio.sleep(0)  # as a process takes a moment to end
            ended.append("the other")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise VoidRoundError("an answer was an error")

    with pytest.raises(VoidRoundError):
        await asyncio.wait_for(together([go_on(), fail()]), PATIENCE_S)

    assert ended == ["the other"]
