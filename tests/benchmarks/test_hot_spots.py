"""The profile: every part names files that exist, and a stack belongs to its innermost part."""

from collections import Counter

import pytest

from tests.benchmarks.hot_spots import LOOP, PARTS, Profile, part_of, table
from tests.e2e.processes import REPOSITORY

FILES = [
    path.relative_to(REPOSITORY).as_posix() for path in sorted(REPOSITORY.glob("relay/**/*.py"))
]
OURS = [mark for _, marks in PARTS for mark in marks if mark.startswith("relay/")]


@pytest.mark.parametrize("mark", OURS)
def test_a_part_of_ours_names_files_that_exist(mark: str) -> None:
    """A file that was moved would be counted as the event loop."""
    assert any(mark in path for path in FILES)


@pytest.mark.parametrize("package", ["server", "proxy", "tenants", "tasks", "channels", "kling"])
def test_every_file_of_the_fast_path_belongs_to_a_part(package: str) -> None:
    """Whatever of ours a submit passes through is told from the loop."""
    passed = [path for path in FILES if path.startswith(f"relay/{package}/")]

    assert [path for path in passed if part_of([path]) == LOOP] == []


def test_a_stack_belongs_to_its_innermost_part() -> None:
    """Time in the driver is the driver's, whoever called it."""
    batcher, driver = "fetch (relay/database/batch.py:1)", "f (site-packages/asyncpg/a.py:2)"

    assert part_of([batcher, driver, "now (time.py:3)"]).startswith("asyncpg")
    assert part_of([driver, batcher]) == "the batcher around it"
    assert part_of(["run (asyncio/runners.py:1)"]) == LOOP


def test_the_table_sets_two_loads_side_by_side() -> None:
    """Shares of the samples, times what a submit costs unobserved."""
    fast = Profile(100.0, 50.0, Counter({"one": 3, "two": 1}))
    slow = Profile(200.0, 400.0, Counter({"one": 1, "two": 1}))

    lines = table(fast, slow).splitlines()

    assert "| one | 75% | 75 | 100 | 1.3 |" in lines
    assert "| two | 25% | 25 | 100 | 4.0 |" in lines
