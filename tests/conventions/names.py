"""The files of the tests, and what the names in one of them stand for."""

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TESTS = sorted((TOP / "tests").rglob("*.py"))


def find_in(files: Iterable[Path], find: Callable[[str], Iterable[str]]) -> dict[str, list[str]]:
    """Say what is found in the sources of files, by file."""
    found = {str(file.relative_to(TOP)): list(find(file.read_text())) for file in files}
    return {file: findings for file, findings in found.items() if findings}


def names_of(tree: ast.AST) -> dict[str, str]:
    """Say what each name that is imported anywhere stands for, as a dotted path."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def path_of(node: ast.AST, names: dict[str, str]) -> str:
    """Spell `a.b.c` with what `a` was imported as; "" if it was not imported."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (before := path_of(node.value, names)):
        return f"{before}.{node.attr}"
    return ""
