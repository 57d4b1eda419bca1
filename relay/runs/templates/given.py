"""What somebody gives a template, checked against its inputs before anything is quoted or held."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from relay.errors import InvalidParameter
from relay.runs.templates.template import Input, InputType, Template

TEXT_MAX = 20_000
"""Of an input without a bound of its own, in characters; files are bounded by the body's size."""


def check_given(template: Template, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read inputs by the template's rules, with its defaults; what is unknown is left out.

    Raises:
        InvalidParameter: it names the input.
    """
    values: dict[str, Any] = {}
    for one in template.inputs:
        value = given.get(one.name)
        if value in (None, "", []):
            value = list(one.default) if isinstance(one.default, list) else one.default
        if value is None:
            if one.is_required:
                raise InvalidParameter(one.name, "must be given")
            continue
        values[one.name] = check_one(one, value)
    for one in template.inputs:
        if one.needed_with in values and one.name not in values:
            raise InvalidParameter(one.name, f"must be given with {one.needed_with}")
    for group in template.written.either:
        found = [name for name in group if name in values]
        if len(found) != 1:
            said = "one of them has to be given" if not found else "only one of them can be given"
            raise InvalidParameter(group[0], f"is one of {' or '.join(group)}: {said}")
    return values


def unknown_in(template: Template, given: Mapping[str, Any]) -> list[str]:
    """Name what the template has no input for."""
    known = {one.name for one in template.inputs}
    return [name for name in given if name not in known]


def check_one(one: Input, value: Any) -> Any:
    """Check one value, and spell it as steps take it.

    Raises:
        InvalidParameter
    """
    match one.type:
        case InputType.NUMBER:
            return _number(one, value)
        case InputType.LIST:
            return _list(one, value)
        case InputType.TEXT:
            return _text(one, value)
        case InputType.PICTURE | InputType.VIDEO | InputType.SOUND:
            if not isinstance(value, str):
                raise InvalidParameter(one.name, "must be a URL, or the id of an asset")
            return value


def _text(one: Input, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a duration is a text of Kling's, and a number of people's
    if not isinstance(value, str):
        raise InvalidParameter(one.name, "must be a text")
    most = TEXT_MAX if one.most is None else one.most
    if len(value) > most:
        raise InvalidParameter(one.name, f"must have at most {most} characters")
    _check_choice(one, value)
    return value


def _number(one: Input, value: Any) -> int | float:
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise InvalidParameter(one.name, "must be a number")
    number: int | float = value
    if one.is_whole:
        if number != int(number):
            raise InvalidParameter(one.name, "must be a whole number")
        number = int(number)
    is_small = one.least is not None and number < one.least
    if is_small or (one.most is not None and number > one.most):
        raise InvalidParameter(one.name, f"must be {_range(one)}")
    _check_choice(one, number)
    return number


def _list(one: Input, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise InvalidParameter(one.name, "must be a list of texts")
    least = 1 if one.least is None else one.least
    if len(value) < least or (one.most is not None and len(value) > one.most):
        raise InvalidParameter(one.name, f"must have {_range(one)} items")
    if one.of is InputType.TEXT and any(len(item) > TEXT_MAX for item in value):
        raise InvalidParameter(one.name, f"must have at most {TEXT_MAX} characters an item")
    return list(value)


def _check_choice(one: Input, value: str | float) -> None:
    if one.choices and value not in one.choices:
        raise InvalidParameter(one.name, f"must be one of {', '.join(map(str, one.choices))}")


def _range(one: Input) -> str:
    if one.most is None:
        return f"at least {one.least}"
    return f"at most {one.most}" if one.least is None else f"{one.least} to {one.most}"


def _parsed(text: str) -> int | float | None:
    """Read what a form or a command line gives as text."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number
    return None
