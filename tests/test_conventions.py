"""Conventions that no linter has."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
RELAY = TOP / "relay"
FILES = sorted(RELAY.rglob("*.py"))
MONEY = sorted(file for name in ("ledger", "pricing") for file in (RELAY / name).rglob("*.py"))
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "service", "services", "manager"}
LINES_MAX = 400
SECONDS = ("_S", "_s", "_at")


def show(file: Path) -> str:
    return str(file.relative_to(TOP))


def floats_in(source: str) -> Iterator[str]:
    """Float literals, the name `float`, and divisions; but for seconds, which names tell."""
    tree = ast.parse(source)
    seconds = {
        id(part) for node in ast.walk(tree) if _holds_seconds(node) for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        match node:
            case _ if id(node) in seconds:
                continue
            case ast.Constant(value=float(value)):
                yield f"{node.lineno}: {value}"
            case ast.Name(id="float"):
                yield f"{node.lineno}: float"
            case ast.BinOp(op=ast.Div(), left=left, right=right) if not _is_decimal(left, right):
                yield f"{node.lineno}: a division of what may be two ints"


def _holds_seconds(node: ast.AST) -> bool:
    """Whether it sets or declares one name that ends in `_S`, `_s` or `_at`: the unit is last."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)] | [ast.Attribute(attr=name)]):
            return name.endswith(SECONDS)
        case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name.endswith(SECONDS)
        case ast.arg(arg=name):
            return name.endswith(SECONDS)
        case _:
            return False


def _is_decimal(*operands: ast.expr) -> bool:
    """Whether one side is `Decimal(...)`, so that the quotient is no float."""
    return any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "Decimal"
        for one in operands
    )


@pytest.mark.parametrize("file", MONEY, ids=show)
def test_money_is_never_a_float(file: Path) -> None:
    """No literal, no annotation, no conversion, no division that makes one."""
    assert list(floats_in(file.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        *("x = 0.1", "def f(a: float): ...", "float(x)", "a / b", "x: 'int' = 1e6"),
        *("price_s, x = 0.1, 0.2", "def f(a_s: float, b: float): ...", "amount: float = 1"),
    ],
)
def test_the_walk_finds_floats(source: str) -> None:
    """The check above can fail."""
    assert list(floats_in(source))


def test_the_walk_passes_decimals() -> None:
    """Numbers as text and quotients of Decimals are what money is made of; seconds are no money."""
    assert list(floats_in("a = Decimal('0.1') + Decimal(a) / 3 + 7 // 2")) == []
    assert list(floats_in("AGE_MAX_S: float = 2.0")) == []


def test_there_is_money_to_check() -> None:
    """The folders are where this test looks for them."""
    assert len(MONEY) > 6


@pytest.mark.parametrize("file", FILES, ids=show)
def test_a_file_is_named_for_its_content_and_can_be_read_in_one_sitting(file: Path) -> None:
    """No utils and the like; 400 lines at most."""
    assert file.stem not in BANNED_NAMES
    assert not BANNED_NAMES & set(file.relative_to(RELAY).parts)
    assert len(file.read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES}), ids=show)
def test_every_package_states_its_guarantees(folder: Path) -> None:
    """Its `__init__` has a docstring, and so has every module with code in it."""
    text = (folder / "__init__.py").read_text()

    assert ast.get_docstring(ast.parse(text))
