"""docs/studio.md names each path of the studio, what became of it, and a test that is there."""

import re
from pathlib import Path

import pytest

from relay.studio.app import studio_app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "studio.md").read_text()
PREFIXES = {"## Paths": "/api/kling/", "## /api/v1": "/api/v1/"}
TESTS = {int(number): test for number, test in re.findall(r"^(\d+)\. `(\S+)`$", PAGE, re.MULTILINE)}
_ROW = re.compile(r"^\| (`(?:GET|POST|PUT) .*?) \|.*\| ([\d, ]*) \|$", re.MULTILINE)
_SPAN = re.compile(r"`(?:(GET|POST|PUT) )?([^`?]+)[^`]*`")
SOCKET = "GET /api/kling/ws"
"""A WebSocket's: no handler of the application's."""


def rows() -> dict[str, list[int]]:
    """Read the tables: the tests of each path, `POST /api/kling/avatar`."""
    found = {}
    for heading, prefix in PREFIXES.items():
        section = PAGE.split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
        for paths, tests in _ROW.findall(section):
            method = ""
            for named, path in _SPAN.findall(paths):
                method = named or method
                found[f"{method} {prefix}{path}"] = [int(one) for one in tests.split(",")]
    return found


def of_application() -> set[str]:
    """List all paths that are answered, with holes in the place of names."""
    return {
        f"{method} {route.path}"
        for route in studio_app().routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS" and route.path.startswith(tuple(PREFIXES.values()))
    }


def without_names(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_each_path_of_the_studio_stands_in_a_table_and_no_other_does() -> None:
    told = {without_names(path) for path in rows()}
    assert told == {without_names(path) for path in [*of_application(), SOCKET]}


def test_each_row_names_tests_and_no_test_is_named_in_vain() -> None:
    named = {number for tests in rows().values() for number in tests}
    assert all(rows().values())
    assert named == set(TESTS)
    assert list(TESTS) == list(range(1, len(TESTS) + 1))


@pytest.mark.parametrize("test", TESTS.values())
def test_each_test_that_is_named_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
