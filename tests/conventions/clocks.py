"""Which calls at import time read a clock, however many functions stand between."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from tests.conventions.names import names_of

CLOCKS = {
    *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter"),
    *("time.perf_counter_ns", "time.process_time", "time.localtime", "time.gmtime", "time.ctime"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    "datetime.date.today",
}


class Modules:
    """Parsed modules, and what each function of theirs calls."""

    def __init__(self, trees: dict[str, ast.Module]) -> None:
        """Take the modules by their dotted names."""
        self.trees = trees
        self._names = {module: _names_in(tree, module) for module, tree in trees.items()}
        self._calls = {
            f"{module}.{name}": set(self._paths(module, body))
            for module, tree in trees.items()
            for name, body in _callables_in(tree)
        }
        self.reading = self._find_reading()
        """Functions and classes whose call reads a clock."""

    @classmethod
    def of_files(cls, top: Path, files: Iterable[Path]) -> Self:
        found = {}
        for file in files:
            parts = file.relative_to(top).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(file.read_text())
        return cls(found)

    def calls_at_import(self, module: str) -> Iterator[tuple[int, str]]:
        """Spell what is called when it is imported, with the line."""
        for node in _run_at_import(self.trees[module]):
            if isinstance(node, ast.Call):
                yield node.lineno, self._path(module, node.func)

    def _find_reading(self) -> set[str]:
        reading = set(CLOCKS)
        size = 0
        while size < len(reading):
            size = len(reading)
            reading |= {name for name, calls in self._calls.items() if calls & reading}
        return reading

    def _paths(self, module: str, body: Iterable[ast.AST]) -> Iterator[str]:
        for part in body:
            for node in ast.walk(part):
                if isinstance(node, ast.Call):
                    yield self._path(module, node.func)

    def _path(self, module: str, node: ast.AST) -> str:
        """Spell what is called by where it is defined."""
        if isinstance(node, ast.Name):
            return self._names[module].get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self._path(module, node.value)}.{node.attr}"
        return ""


def clocks_read_at_import(modules: Modules, *, within: str) -> Iterator[str]:
    """Name the modules and lines that do."""
    for module in modules.trees:
        if module == within or module.startswith(f"{within}."):
            for line, path in modules.calls_at_import(module):
                if path in modules.reading:
                    yield f"{module}:{line}: {path}"


def _names_in(tree: ast.Module, module: str) -> dict[str, str]:
    """Say what a module's names stand for: what it imports, and its own definitions."""
    own = {
        node.name: f"{module}.{node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    return names_of(tree) | own


def _callables_in(tree: ast.Module) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Find the functions of a module, and its classes by what makes one of them."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.body
        elif isinstance(node, ast.ClassDef):
            makers = [
                one
                for one in node.body
                if isinstance(one, ast.FunctionDef)
                and one.name in {"__init__", "__new__", "__post_init__"}
            ]
            yield node.name, [part for one in makers for part in one.body]


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Find every node that runs when its module is imported: not the bodies of functions."""
    yield node
    if isinstance(node, ast.Lambda) or _is_for_a_program(node):
        return
    skipped = set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        skipped = {id(part) for part in node.body}
    for child in ast.iter_child_nodes(node):
        if id(child) not in skipped:
            yield from _run_at_import(child)


def _is_for_a_program(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
