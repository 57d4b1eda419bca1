"""No statement runs per request, callback, look or delivery without its plan being tested.

Found by walking the source: each call that runs a statement, and each statement that a function
names. `tests/benchmarks/plan_samples.py` has the tested ones, `cold_statements.py` the others.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import TextClause

import relay
from tests.benchmarks.plan_samples import BATCHED, POOLED
from tests.benchmarks.plan_sessions import CALLS
from tests.tasks.cold_statements import COLD

RELAY = Path(relay.__file__).parent
# The operator's commands, and a Kling for tests.
ELSEWHERE = ("cli", "sandbox")
RUNS = {
    *("fetch", "fetchrow", "fetchval", "fetchmany", "execute", "executemany", "prepare", "cursor"),
    *("scalar", "scalars", "stream", "stream_scalars", "copy_from_query"),
}
"""Methods of asyncpg's connections and pools, and of SQLAlchemy's sessions."""
RUNS_OF_A_SESSION = {"add", "add_all", "delete", "get", "get_one", "merge", "refresh"}
"""Whose names others have too, so they count of what is called a session."""
SQL = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CALL)\s")


def statement_of(module: ModuleType, node: ast.AST) -> str | None:
    """The SQL that a name of the module, or of one that it imports, stands for."""
    match node:
        case ast.Name(id=name):
            value = getattr(module, name, None)
        case ast.Attribute(value=ast.Name(id=other), attr=name):
            value = getattr(getattr(module, other, None), name, None)
        case _:
            return None
    text = value.text if isinstance(value, TextClause) else value
    return text if isinstance(text, str) and SQL.match(text) else None


def runs_a_statement(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id="Batcher"):
            return True
        case ast.Attribute(value=receiver, attr=name):
            is_session = isinstance(receiver, ast.Name) and "session" in receiver.id
            return name in RUNS or (is_session and name in RUNS_OF_A_SESSION)
        case _:
            return False


def functions(tree: ast.AST, above: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Functions by their qualified names; one inside another counts as part of it."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ClassDef(name=name):
                yield from functions(node, f"{above}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{above}{name}", node
            case _:
                pass


def runs_of(module: ModuleType, source: str) -> Iterator[tuple[str, str | None]]:
    """Where statements are run, and which; None for one that has no name."""
    for name, function in functions(ast.parse(source)):
        place = f"{module.__name__}:{name}"
        for node in ast.walk(function):
            if statement := statement_of(module, node):
                yield place, statement
            if isinstance(node, ast.Call) and runs_a_statement(node):
                inside = (part for argument in node.args for part in ast.walk(argument))
                if not any(statement_of(module, part) for part in inside):
                    yield place, None


@cache  # to walk through all of the relay takes seconds
def all_runs() -> frozenset[tuple[str, str | None]]:
    return frozenset(_find_all_runs())


def _find_all_runs() -> Iterator[tuple[str, str | None]]:
    for path in sorted(RELAY.rglob("*.py")):
        parts = path.relative_to(RELAY.parent).with_suffix("").parts
        if parts[1] not in (*ELSEWHERE, "__main__"):
            module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
            yield from runs_of(module, path.read_text(encoding="utf-8"))


TESTED = {sample.statement for sample in (BATCHED | POOLED).values()} | {
    sample.before for sample in POOLED.values()
}


def test_every_statement_is_tested_at_a_million_rows_or_known_to_be_cold() -> None:
    """Who adds one adds its sample, or says why it needs none."""
    untested = {
        place
        for place, statement in all_runs()
        if statement not in TESTED and place not in CALLS and place not in COLD
    }

    assert untested == set()


def test_what_is_listed_is_still_there() -> None:
    """A reason for what is gone would cover its successor."""
    runs = all_runs()
    untested = {place for place, statement in runs if statement not in TESTED}

    assert set(COLD) - untested == set()
    assert set(CALLS) - untested == set()
    assert TESTED - {statement for _, statement in runs} == {"SELECT"}


@pytest.mark.parametrize(
    "line",
    [
        "Batcher(connect, 'SELECT 1', is_idempotent=True)",
        "await self._pool.fetch(HOLD_TEXT)",
        "await connection.execute(f'DELETE FROM tasks WHERE {condition}')",
        "await session.scalar(select(Task).where(Task.id == 1))",
        "session.add(Task())",
        "statement = statements.HOLD",
        "return text(look.PUT_OFF)",
    ],
)
def test_a_new_statement_is_found(line: str) -> None:
    """However it is spelled: the walk can fail."""
    module = importlib.import_module("relay.tasks")
    source = f"class Looker:\n    async def look(self):\n        {line}\n"

    assert [place for place, _ in runs_of(module, source)] == ["relay.tasks:Looker.look"]
