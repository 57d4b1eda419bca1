"""What an act can come to call: never a batcher, which would wait for the desk's own session."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import relay.desk
from relay.database.batch import Batcher
from relay.ledger.entries import refund_charge
from relay.tasks.door import Door, pass_in_session
from relay.tasks.hold import Holder
from relay.tasks.learn import Learner

WAITING = {Batcher, Door, Holder}


def named_in(found: Any) -> Iterator[Any]:
    """The functions and classes of the relay that the source of one names."""
    function = inspect.unwrap(found)
    module = importlib.import_module(function.__module__)
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        match node:
            case ast.Name(id=name):
                yield getattr(module, name, None)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                yield getattr(getattr(module, owner, None), name, None)
            case _:
                pass


def is_ours(found: Any) -> bool:
    is_code = isinstance(found, (FunctionType, type))
    return is_code and found.__module__.startswith("relay.")


def reached_from(*start: Any) -> set[Any]:
    """All that they name, and what that names; of a class all that it has."""
    reached: set[Any] = set()
    waiting = list(start)
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += filter(is_ours, named_in(one))
    return reached


def desk_modules() -> list[ModuleType]:
    found = pkgutil.iter_modules(relay.desk.__path__, "relay.desk.")
    return [importlib.import_module(module.name) for module in found]


def test_no_act_reaches_a_batcher() -> None:
    """It would wait for a row that the desk's own session holds."""
    functions = [
        value for module in desk_modules() for value in vars(module).values() if is_ours(value)
    ]

    reached = reached_from(*functions)

    assert reached & WAITING == set()
    assert {pass_in_session, refund_charge} <= reached


def test_the_walk_finds_a_batcher() -> None:
    """The check above can fail, also by what is only handed over: its type is named."""
    assert Batcher in reached_from(Door)
    assert Batcher in reached_from(Learner)
