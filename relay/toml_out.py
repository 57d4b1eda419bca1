"""Values and tables as TOML has them, for files that a person edits and gives back."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from relay.money import plain

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def spell_table(kind: str, fields: Mapping[str, object]) -> str:
    """Spell one of an array of tables; what is None is left out."""
    named = {name: value for name, value in fields.items() if value is not None}
    lines = [f"{name} = {spell_value(value)}" for name, value in named.items()]
    return "\n".join([f"[[{kind}]]", *lines, ""])


def spell_value(value: object) -> str:
    """Spell a value in one line."""
    match value:
        case bool():
            spelt = "true" if value else "false"
        case datetime():
            spelt = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            spelt = plain(value)
        case int():
            spelt = str(value)
        case float():
            spelt = plain(Decimal(str(value)))
        case Mapping():
            pairs = (f"{_key(str(name))} = {spell_value(one)}" for name, one in value.items())
            spelt = f"{{ {', '.join(pairs)} }}" if value else "{}"
        case list() | tuple():
            spelt = f"[{', '.join(map(spell_value, value))}]"
        case _:
            spelt = _text(str(value))
    return spelt


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    # A string of JSON is one of TOML's, but for this character.
    spelt = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if "\n" not in text:
        return spelt
    # Lines as lines: certificates. A break behind the marks that open it is none of the text.
    lines = (json.dumps(line, ensure_ascii=False)[1:-1] for line in text.split("\n"))
    return '"""\n' + "\n".join(lines).replace("\x7f", "\\u007f") + '"""'
