"""What is wrong with a body's shape, in the words in which everything else of it is told."""

import re

from relay.errors import InvalidParameter

_MISSING = re.compile(r"^Object missing required field `(\w+)`")
_PLACED = re.compile(r"^(?P<said>.*?) - at `\$\.?(?P<place>.*)`$")
_KIND = re.compile(r"^Expected `(?P<kinds>[^`]+)`(?:, got `\w+`)?$")
_BOUND = re.compile(
    r"^Expected `(?P<kind>\w+)(?: \| null)?`(?P<length> of length)? (?P<side>[<>]=) (?P<bound>\d+)$"
)
_KINDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "uuid": "a UUID",
}
"""As msgspec calls kinds of JSON, and as people do."""
_COUNTED = {"str": "characters", "array": "items"}
_OTHERS = {"Invalid UUID": "must be a UUID"}


def misfit_of(said: str, field: str = "") -> InvalidParameter:
    """Spell what msgspec said of a body, or of one field of it.

    `field`: what it was said of, if that does not stand in the words themselves.
    """
    placed = _PLACED.match(said)
    if placed is not None:
        said = placed["said"]
        field = ".".join(name for name in (field, placed["place"]) if name)
    missing = _MISSING.match(said)
    if missing is not None:
        return InvalidParameter(f"{field}.{missing[1]}" if field else missing[1], "must be given")
    return InvalidParameter(field or "body", _words(said))


def _words(said: str) -> str:
    if said in _OTHERS:
        return _OTHERS[said]
    bound = _BOUND.match(said)
    if bound is not None:
        side = "at most" if bound["side"] == "<=" else "at least"
        if not bound["length"]:
            return f"must be {side} {bound['bound']}"
        if bound["bound"] == "1" and side == "at least":
            return "must not be empty"
        return f"must have {side} {bound['bound']} {_COUNTED.get(bound['kind'], 'items')}"
    kind = _KIND.match(said)
    if kind is not None:
        kinds = [one for one in kind["kinds"].split(" | ") if one != "null"]
        return f"must be {' or '.join(_KINDS.get(one, one) for one in kinds)}"
    return said[:1].lower() + said[1:]
