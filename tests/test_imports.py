"""No module imports itself by way of others, wherever in its file the import stands."""

from pathlib import Path

import grimp
import pytest

CIRCLES = [
    ("from made.b import y", "import made.a"),
    ("from made import b", "def late():\n    from made.a import x"),
    (
        "from made.b import y",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made.a import x",
    ),
    ("from . import b", "from .a import x"),
]


def circles_of(package: str) -> list[tuple[str, ...]]:
    """The groups of modules that all import each other, at once or by way of others."""
    graph = grimp.build_graph(package, cache_dir=None)
    below = {module: graph.find_upstream_modules(module) for module in graph.modules}
    circles = {
        (module, *(other for other in below[module] if module in below[other])) for module in below
    }
    return sorted({tuple(sorted(circle)) for circle in circles if len(circle) > 1})


def test_no_modules_of_the_relay_import_each_other_in_a_circle() -> None:
    """What two of them share stands in a third one, below both."""
    assert circles_of("relay") == []


@pytest.mark.parametrize(("one", "other"), CIRCLES)
def test_a_circle_is_found_wherever_its_imports_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    """At the top, in a function, for the type checker alone, or relative; `c` is beside it."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name, source in {"__init__": "", "a": one, "b": other, "c": "import made.a"}.items():
        (folder / f"{name}.py").write_text(f"{source}\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert circles_of("made") == [("made.a", "made.b")]
