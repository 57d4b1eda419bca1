"""Rows of lists as tables have them: by the fields of a struct, one way for files and for HTTP.

A table is flat. A struct within a row has a column for each of its fields, named behind its own. A
mapping whose keys are known has one for each of them, by the key alone (`spread`). What is a list,
or a mapping of any keys, is one cell of JSON.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from relay.usage.sheet import Cell, Sheet, amount, csv_line

__all__ = ["cells", "csv_head", "csv_line", "head", "sheet_of"]

BOM = "\ufeff"
"""Without it Excel reads no UTF-8."""
MICROS = "_micros"
"""How the names of amounts end; a table has them in the currency."""

Row = type[msgspec.Struct]
Spread = Mapping[str, Sequence[str]]
"""Of fields that are mappings: the keys that are columns."""
NOTHING_SPREAD: Spread = MappingProxyType({})


def head(row: Row, spread: Spread = NOTHING_SPREAD) -> list[str]:
    """Name the columns of such rows."""
    names: list[str] = []
    for field, inner in _fields(row):
        if field in spread:
            names += spread[field]
        elif inner is not None:
            names += [f"{field}_{name}" for name in head(inner)]
        else:
            names.append(_name(row, field))
    return names


def csv_head(row: Row, spread: Spread = NOTHING_SPREAD) -> bytes:
    """Spell how a file of such rows begins."""
    return f"{BOM}{csv_line(head(row, spread))}".encode()


def cells(row: msgspec.Struct, spread: Spread = NOTHING_SPREAD) -> list[Cell]:
    """Spell a row: ids as text, amounts exact, moments in UTC, nothing as an empty text.

    A row whose fields are amounts or not names those that are: `amounts`.
    """
    found: list[Cell] = []
    amounts = getattr(row, "amounts", ())
    for field, inner in _fields(type(row)):
        value = getattr(row, field)
        if field in spread:
            found += [_key_cell(value.get(name)) for name in spread[field]]
        elif field in amounts and value is not None:
            found.append(amount(value))
        elif inner is None:
            found.append(_cell(field, value))
        elif value is None:
            found += [""] * len(head(inner))
        else:
            found += cells(value)
    return found


def sheet_of(
    title: str, row: Row, rows: Sequence[msgspec.Struct], spread: Spread = NOTHING_SPREAD
) -> Sheet:
    """Lay out a list for a file."""
    laid = [cells(one, spread) for one in rows]
    return Sheet(title=title, facts=(), columns=head(row, spread), rows=laid)


@cache
def _fields(row: Row) -> list[tuple[str, Row | None]]:
    """Name the fields of a struct, and which of them are structs, or null, themselves."""
    return [(field.name, _inner(field.type)) for field in msgspec.structs.fields(row)]


def _name(row: Row, field: str) -> str:
    """Name an amount without its unit; some differ by it alone from what they are the amount of."""
    name = field.removesuffix(MICROS)
    return f"{name}_amount" if name != field and name in row.__struct_fields__ else name


def _inner(of: Any) -> Row | None:
    kinds = [of, *get_args(of)] if type(None) in get_args(of) else [of]
    found = (one for one in kinds if isinstance(one, type) and issubclass(one, msgspec.Struct))
    return next(found, None)


def _key_cell(value: Any) -> Cell:
    """Spell a key: a number is the id of something."""
    return str(value) if isinstance(value, int) else _cell("", value)


def _cell(name: str, value: Any) -> Cell:
    match value:
        case None:
            cell: Cell = ""
        case bool():
            cell = "yes" if value else "no"
        case int() if name == "id" or name.endswith("_id"):
            cell = str(value)
        case int():
            cell = amount(value) if name.endswith(MICROS) else value
        case float():
            cell = Decimal(str(value))
        case str() if name.endswith(MICROS):
            cell = Decimal(value).scaleb(-6)
        case datetime():
            cell = f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        case str() | Decimal():
            cell = value
        case dict() if name.endswith(MICROS):
            cell = _json({key: f"{amount(one):f}" for key, one in value.items()})
        case _:
            cell = _json(value)
    return cell


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
