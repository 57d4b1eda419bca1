"""Holes in a template's texts: `{name}` is an input, `{each}` what a step is made for.

A text that is one hole and nothing else becomes the value itself, a list or a number too. In a
longer text a value is spelled. What was put in is never looked at for holes again, so no text of
a tenant's is one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from relay.runs.plan import FROM

EACH = "each"
_HOLE = re.compile(r"\{([^{}]*)\}")


class _Gone:
    """What a field is whose hole stays empty: it is left out."""


GONE = _Gone()


def names_in(text: str) -> list[str]:
    """Name the holes of a text, whatever they are called."""
    return _HOLE.findall(text)


def has_stray_brace(text: str) -> bool:
    """Tell whether a brace stands for no hole: perhaps it was to be one."""
    rest = _HOLE.sub("", text)
    return "{" in rest or "}" in rest


def fill(body: Any, values: Mapping[str, Any], made: Mapping[str, str]) -> Any:
    """Fill a body; GONE where nothing is left of it.

    `values`: of the inputs that are given, and of `each`. `made`: by a step's name in the template,
    its name in this run, of those that are made.
    """
    if isinstance(body, str):
        return _fill_text(body, values)
    if isinstance(body, list):
        return [one for item in body if (one := fill(item, values, made)) is not GONE]
    if not isinstance(body, dict):
        return body
    if FROM in body:
        step = made.get(body[FROM])
        return GONE if step is None else body | {FROM: step}
    filled = {name: fill(value, values, made) for name, value in body.items()}
    return {name: value for name, value in filled.items() if value is not GONE}


def texts_in(body: Any, at: str = "body") -> Iterator[tuple[str, str]]:
    """Go over all texts of a body that may have holes, each with where it stands."""
    if isinstance(body, str):
        yield at, body
    elif isinstance(body, list):
        for place, item in enumerate(body):
            yield from texts_in(item, f"{at}[{place}]")
    elif isinstance(body, dict) and FROM not in body:
        for name, value in body.items():
            yield from texts_in(value, f"{at}.{name}")


def steps_in(body: Any, at: str = "body") -> Iterator[tuple[str, dict[str, Any]]]:
    """Go over all holes of a body for what steps made, each with where it stands."""
    if isinstance(body, list):
        for place, item in enumerate(body):
            yield from steps_in(item, f"{at}[{place}]")
    elif isinstance(body, dict):
        if FROM in body:
            yield at, body
            return
        for name, value in body.items():
            yield from steps_in(value, f"{at}.{name}")


def _fill_text(text: str, values: Mapping[str, Any]) -> Any:
    whole = _HOLE.fullmatch(text)
    if whole is not None:
        return values.get(whole[1], GONE)
    if not _HOLE.search(text):
        return text
    laid = " ".join(text.split())
    return _HOLE.sub(lambda hole: str(values.get(hole[1], "")), laid).strip()
