"""What the head line says was compared."""

import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import head
from tests.benchmarks.versions import commit, first_version
from tests.waiting import PATIENCE_S


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


def _make_repository(path: Path) -> None:
    """With one file in one commit."""
    who = ("-c", "user.name=n", "-c", "user.email=n@example.test")
    (path / "file").write_text("one")
    for arguments in (("init", "--quiet"), ("add", "file"), (*who, "commit", "-qm", "one")):
        subprocess.run(["git", "-C", path, *arguments], check=True, timeout=PATIENCE_S)


def test_the_commit_is_named_and_whether_more_was_changed(tmp_path: Path) -> None:
    """Figures are of a state that can be looked up, or say that they are not."""
    _make_repository(tmp_path)

    clean = commit(tmp_path)
    (tmp_path / "file").write_text("two")

    assert len(clean) >= 7
    assert commit(tmp_path) == f"{clean}-dirty"


def test_outside_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    """An unpacked archive within somebody's repository has not that one's commit."""
    _make_repository(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()

    assert commit(inner) == ""


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark needs none."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert commit(tmp_path) == ""


def test_the_head_line_names_the_commit_if_there_is_one_and_counts_rounds() -> None:
    """One round has no median."""
    data: dict[str, object] = {"commit": "97fc4c2", "machine": "2 cores", "versions": "nginx 1"}

    three = head(data, rounds=3, seconds=5.0)
    one = head(data | {"commit": ""}, rounds=1, seconds=2.5)

    assert three.endswith(", relay 97fc4c2, 2 cores; nginx 1; median of 3 rounds of 5 s")
    assert one[10:] == ", 2 cores; nginx 1; one round of 2.5 s"
