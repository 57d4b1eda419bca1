"""A package whose private parts we use is held below its next minor version.

They may change there without a word, and an install from the requirements alone, without the lock,
would take that version. Private is what begins with an underscore, and what its package does not
document. The walk finds imports, attributes of what was imported, and what a class of ours takes
from a base of theirs.
"""

import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
RELAY = ROOT / "relay"
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in RELAY.rglob("*.py")
    if file.name != "__main__.py"
)
UNDOCUMENTED = ("uvicorn.protocols", "uvicorn.server")
"""Modules. uvicorn documents `run`, `Config`, `Server` and its middleware for proxies."""
UNDOCUMENTED_METHODS = {"set_dangerous_leniencies": "httptools"}
OURS = {"relay", "tests", "migrations"}
REQUIREMENTS = {
    re.split(r"[\[<>=;]", need)[0]: need
    for need in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
}


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def is_theirs(module: str) -> bool:
    top = module.partition(".")[0]
    return top not in OURS and top not in sys.stdlib_module_names


def private_parts(module: ModuleType, source: str) -> Iterator[tuple[str, str]]:
    """The package and the part of it, for each that the module uses."""
    tree = ast.parse(source)
    imported = dict(imports(tree))
    for full_name in imported.values():
        if is_private(full_name) or full_name.startswith(UNDOCUMENTED):
            yield full_name.partition(".")[0], full_name
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if name in UNDOCUMENTED_METHODS:
                yield UNDOCUMENTED_METHODS[name], name
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                if owner in imported and is_private(name):
                    yield imported[owner].partition(".")[0], f"{imported[owner]}.{name}"
            case ast.ClassDef(name=name):
                yield from inherited_parts(getattr(module, name, None), node)
            case _:
                pass


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names of a module, and what of others they stand for."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [
                    (alias.asname or alias.name.partition(".")[0], alias.name) for alias in names
                ]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found = [(alias.asname or alias.name, f"{module}.{alias.name}") for alias in names]
            case _:
                continue
        yield from ((name, full_name) for name, full_name in found if is_theirs(full_name))


def inherited_parts(cls: type | None, node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """What a class uses, or replaces, that a base of theirs keeps to itself."""
    used = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    used |= {
        part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for base in cls.__mro__ if cls is not None else ():
        if is_theirs(base.__module__):
            for name in used & own_parts(base):
                if is_private(name):
                    yield base.__module__.partition(".")[0], f"{base.__qualname__}.{name}"


@cache  # hundreds of ours share a base, and to find one in its file takes 0.1 s
def own_parts(cls: type) -> frozenset[str]:
    """What a class of theirs has, and what its instances do."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # written in C
        source = ""
    return frozenset(vars(cls)) | frozenset(re.findall(r"self\.(\w+)", source))


@pytest.fixture(scope="module")
def used() -> dict[str, set[str]]:
    """What of each distribution is used anywhere."""
    names = packages_distributions()
    found = defaultdict(set)
    for name in MODULES:
        module = importlib.import_module(name)
        for package, part in private_parts(module, inspect.getsource(module)):
            found[names[package][0].lower()].add(part)
    return found


def test_each_package_whose_private_parts_are_used_is_held(used: dict[str, set[str]]) -> None:
    """`>=0.54,<0.55`: the minor version that this was written for, and no other."""
    for distribution, parts in used.items():
        requirement = REQUIREMENTS[distribution]
        bounds = re.fullmatch(r"[\w.-]+>=(\d+)\.(\d+)(?:\.\d+)?,<(\d+)\.(\d+)", requirement)

        assert bounds, f"{requirement} is not held, and of it are used: {sorted(parts)}"
        major, minor, bound_major, bound_minor = map(int, bounds.groups())
        assert (bound_major, bound_minor) == (major, minor + 1), requirement


def test_the_walk_finds_what_is_known(used: dict[str, set[str]]) -> None:
    """One of each kind: the check above can fail."""
    assert {"uvicorn.protocols.http.flow_control.FlowControl", "uvicorn._types.HTTPScope"} <= used[
        "uvicorn"
    ]
    assert "HttpToolsProtocol._unset_keepalive_if_required" in used["uvicorn"]
    assert used["httptools"] == {"set_dangerous_leniencies"}


@pytest.mark.parametrize(
    "source",
    [
        *(
            "from litestar._asgi import ASGIRouter",
            "import litestar._asgi",
            "import click._compat as c",
        ),
        *(
            "from click import _compat",
            "import click\nclick._compat",
            "from uvicorn.server import x",
        ),
    ],
)
def test_the_walk_sees_each_way_of_using_one(source: str) -> None:
    """Modules, names in them, and attributes."""
    assert list(private_parts(ModuleType("ours"), source))


@pytest.mark.parametrize(
    "source",
    [
        *(
            "from relay.tasks import _x",
            "import os\nos._exit(1)",
            "from litestar import __version__",
        ),
        *("self._x = 1", "from uvicorn import Config", "import litestar\nlitestar.__version__"),
    ],
)
def test_the_walk_passes_what_is_ours_or_public(source: str) -> None:
    """Python's own library too, which is held by `requires-python`."""
    assert list(private_parts(ModuleType("ours"), source)) == []
