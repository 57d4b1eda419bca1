"""Mocks in every spelling, and every change of what is not the test's own."""

import ast
from collections.abc import Iterator

from tests.conventions.names import names_of, path_of

MOCKS = {
    *("mock", "unittest.mock", "pytest_mock", "asynctest", "flexmock", "mockito", "doublex"),
    *("freezegun", "pytest_freezegun", "pytest_freezer", "time_machine", "libfaketime", "looptime"),
    *("responses", "respx", "pytest_httpx", "httpretty", "requests_mock", "aioresponses", "vcr"),
}
"""Libraries that put something in the place of code, of time or of the network."""
FIXTURES = {
    *("mocker", "class_mocker", "module_mocker", "package_mocker", "session_mocker"),
    *("freezer", "time_machine", "looptime", "respx_mock", "httpx_mock", "requests_mock", "vcr"),
}
"""What those libraries give to a test without an import."""
PATCHES = {"setattr", "delattr", "setitem", "delitem"}
"""Methods of monkeypatch, whatever it is called; and, but for the last two, builtins."""
FREE = {"os.environ", "sys.argv"}
"""What a process is started with, and so may be started with in a test."""


def is_in(path: str, modules: set[str]) -> bool:
    return any(path == module or path.startswith(f"{module}.") for module in modules)


def patches_in(source: str) -> Iterator[str]:
    """Find mocks, in every spelling, and changes of what is not the test's own."""
    tree = ast.parse(source)
    names = names_of(tree)
    for node in ast.walk(tree):
        found = [name for name in _named(node, names) if is_in(name, MOCKS)]
        found += [name for name in _asked_for(node) if name in FIXTURES]
        found += [f"a change of {path or 'an object'}" for path in _changed(node, names)]
        yield from (f"{getattr(node, 'lineno', 0)}: {one}" for one in found)


def _named(node: ast.AST, names: dict[str, str]) -> list[str]:
    """Spell the modules that a node imports, mentions, or has imported by their name."""
    match node:
        case ast.Import(names=aliases):
            return [alias.name for alias in aliases]
        case ast.ImportFrom(module=module, names=aliases):
            return [f"{module}.{alias.name}" for alias in aliases]
        case ast.Attribute():
            return [path_of(node, names)]
        case ast.Call(args=[ast.Constant(value=str(text)), *_]):
            return [text]
        case _:
            return []


def _asked_for(node: ast.AST) -> list[object]:
    """Name the fixtures that a test asks for, or may."""
    match node:
        case ast.arg(arg=name):
            return [name]
        case ast.Call(func=ast.Attribute(attr="usefixtures" | "getfixturevalue"), args=args):
            return [one.value for one in args if isinstance(one, ast.Constant)]
        case _:
            return []


def _changed(node: ast.AST, names: dict[str, str]) -> list[str]:
    """Spell whose attribute or item is set or deleted, unless it is the test's own; "" if unknown.

    monkeypatch has no business with anything but what a process is started with.
    """
    match node:
        case ast.Call(func=ast.Attribute(attr=method), args=[target, *rest]) if method in PATCHES:
            path = path_of(target, names)
            if method.endswith("attr") and rest:
                path = f"{path}.{ast.unparse(rest[0])}".replace("'", "")
            return [] if path in FREE else [path]
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[target, *_]):
            path = path_of(target, names)
        case ast.Attribute(value=target, ctx=ast.Store() | ast.Del()):
            path = path_of(target, names)
        case ast.Subscript(value=target, ctx=ast.Store() | ast.Del()):
            path = path_of(target, names)
        case _:
            path = ""
    return [path] if path and path not in FREE and not is_in(path, {"tests"}) else []
