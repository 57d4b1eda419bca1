"""The tree of refusals: whole, drawn as it is, and the one place where a refusal gets its code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay import errors
from relay.errors import RelayError
from relay.kling.codes import Code

OWN = Path(errors.__file__).parent
RELAY = OWN.parent
FILES = [
    file
    for file in sorted(RELAY.rglob("*.py"))
    # The sandbox shares nothing with us, so it has a table of its own.
    if RELAY / "sandbox" not in file.parents and file != RELAY / "kling" / "codes.py"
]
ROUND = 1000
"""Kling's first code, and a round number: allowed where it is plainly no code."""
DRAWN = re.compile(r"^ {4}((?:│   |    )*)[├└]── (\w+) +(?:(\d{3})  (\d{4})  )?\w")


def tree(
    top: type[RelayError] = RelayError, depth: int = 0
) -> Iterator[tuple[int, type[RelayError]]]:
    """Every class below `top`, in the order of the file, with its depth."""
    for below in top.__subclasses__():
        yield depth, below
        yield from tree(below, depth + 1)


NAMES = {"RelayError", *(kind.__name__ for _, kind in tree())}


def test_the_drawing_is_the_tree() -> None:
    """`errors/__init__.py` opens with every class, in order, each leaf with its status and code."""
    lines = (errors.__doc__ or "").splitlines()
    drawn = [match.groups() for match in map(DRAWN.match, lines) if match]

    assert len(drawn) == sum("── " in line for line in lines) > 15
    assert [
        (len(indent) // 4, name, status and (int(status), int(code)))
        for indent, name, status, code in drawn
    ] == [
        (depth, kind.__name__, None if kind.__subclasses__() else (kind.http_status, kind.code))
        for depth, kind in tree()
    ]


def test_a_leaf_has_its_code_and_the_status_that_kling_sends_with_it() -> None:
    """A member of `Code`, never a bare number; a branch has none, so none can be raised by it."""
    for _, kind in tree():
        if kind.__subclasses__():
            assert not hasattr(kind, "code")
        else:
            assert isinstance(kind.code, Code)
            assert kind.http_status == kind.code.http_status


def test_a_refusals_words_are_fixed() -> None:
    """The message is read from what it was made with, and cannot be set."""
    error = errors.InvalidParameter("mode", "must be one of std, pro")

    assert error.message == str(error) == "mode: must be one of std, pro"
    with pytest.raises(AttributeError):
        error.message = "other"  # type: ignore[misc]


KLINGS_WORDS: tuple[tuple[RelayError, str], ...] = (
    (
        errors.InsufficientQuota(
            needed="6 USD", available="1 USD", needed_micros=6_000_000, available_micros=1_000_000
        ),
        "Account balance not enough: needed 6 USD, available 1 USD",
    ),
    (errors.TooManyTasks(), "parallel task over resource pack limit"),
    (errors.TooManyCalls(), "request too fast, rate limit exceeded"),
    (errors.TaskNotFound(), "Task not found by id/external id"),
    (errors.ThingNotFound("voice"), "Voice id not found"),
    (errors.ThingDeleted("element"), "Element already be deleted"),
    (errors.ExternalIdTaken(), "duplicate external_task_id: it already exists"),
    (errors.IdsRequired(), "task_ids or external_task_ids is required"),
    (errors.UnknownPath("PUT", "/x"), "the requested method is invalid: PUT /x"),
    (errors.CallbackNotPosted(), "the requested method is invalid"),
    (errors.CredentialUnknown(), "api key not found"),
)


def test_clients_find_the_words_that_they_match_on() -> None:
    """Kling's own, wherever it has some (docs/kling-api.md 5.6, 8 and 17); ours stand behind."""
    assert [error.message for error, _ in KLINGS_WORDS] == [words for _, words in KLINGS_WORDS]


def strays(source: str) -> Iterator[str]:
    """What belongs into `errors.py` or `codes.py`, and what changes an error that was made."""
    module = ast.parse(source)
    caught = set(_bound_to_errors(module))
    for node in ast.walk(module):
        match node:
            case ast.ClassDef(name=name, bases=bases) if NAMES & {_name(one) for one in bases}:
                yield f"{node.lineno}: the refusal {name}"
            case ast.Call(func=func) if _name(func) == "RelayError":
                yield f"{node.lineno}: a RelayError without a class of its own"
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if (
                name in caught
            ):
                yield f"{node.lineno}: sets {name}.{node.attr}"
    yield from _codes_in(module)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _bound_to_errors(module: ast.Module) -> Iterator[str]:
    """Names of what is caught, and of what is made of one of our classes."""
    for node in ast.walk(module):
        match node:
            case ast.ExceptHandler(name=str(name)):
                yield name
            case ast.Assign(targets=targets, value=ast.Call(func=func)) if _name(func) in NAMES:
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def _codes_in(module: ast.Module) -> Iterator[str]:
    """Kling's codes as bare numbers; the round one where it is compared, matched or in a table."""
    codes = {int(code) for code in Code if code is not Code.OK}
    in_tables = {
        id(part)
        for node in ast.walk(module)
        if isinstance(node, ast.Compare | ast.Dict | ast.MatchValue)
        for part in ast.walk(node)
    }
    for node in ast.walk(module):
        if not isinstance(node, ast.Constant) or type(node.value) is not int:
            continue
        if node.value in codes and (node.value != ROUND or id(node) in in_tables):
            yield f"{node.lineno}: the code {node.value}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(RELAY)))
def test_a_refusal_is_made_of_a_leaf_and_stays_as_it_is(file: Path) -> None:
    """No class of it elsewhere, no code as a number, none changed after it was made."""
    found = list(strays(file.read_text()))

    assert [one for one in found if OWN not in file.parents or "the refusal" not in one] == []


@pytest.mark.parametrize(
    "source",
    [
        *("class Odd(RelayError): ...", "class Odd(errors.TimedOut): ...", "RelayError('no')"),
        *("x == 1201", "x in (1000, 7)", "{400: (1200, 'no')}", "raise BadRequest(1302)"),
        "try: ...\nexcept OSError as error:\n    error.code = 1",
        "error = InvalidParameter('a', '')\nerror.message = 'b'",
    ],
)
def test_the_walk_finds_strays(source: str) -> None:
    """The check above can fail."""
    assert list(strays(source))


def test_the_walk_passes_other_numbers() -> None:
    """Milliseconds, bounds and what is no code are no strays."""
    assert list(strays("ms = s * 1000\nKEPT_MAX = 1000\nPORT = 5432\nSIZE = 1024")) == []
