"""What is read from wrk's output, by a program that says what wrk would."""

import asyncio
import shlex

import pytest

from tests.benchmarks.__main__ import first_version, rows_of
from tests.benchmarks.wrk import Measured, Request, VoidRoundError, read


async def _said(*lines: str, code: int = 0) -> Measured:
    said = shlex.quote("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"trap '' INT; printf %s {said}; exit {code}"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        return await asyncio.wait_for(read(process), 20)
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


def test_sizes_are_typed_short() -> None:
    """`10k,1M` for growth."""
    assert rows_of("10k,1M,250") == [10_000, 1_000_000, 250]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("nginx version: nginx/1.22.1\n", "nginx 1.22.1"),
        ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer", "wrk 4.1.0-3+b2"),
        ("?", "nginx"),
    ],
)
def test_a_version_is_found_in_what_a_program_says(said: str, shown: str) -> None:
    """In the head line, without its copyright."""
    assert first_version(said, shown.partition(" ")[0]) == shown
