"""Examples in a command's `--help`, one per line."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def examples(*lines: str) -> Callable[[Function], Function]:
    """Put examples under a command's docstring; stands right above its `def`."""

    def added(function: Function) -> Function:
        # A paragraph that begins with this character keeps its line breaks (click).
        shown = "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
        function.__doc__ = f"{cleandoc(function.__doc__ or '')}\n\n{shown}"
        return function

    return added
