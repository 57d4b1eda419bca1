"""A row's type and how a batched statement reads it: one list of columns, written once."""

from datetime import datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

SQL_TYPES: dict[object, str] = {
    int: "bigint",
    str: "text",
    float: "float8",
    bool: "boolean",
    bytes: "bytea",
    Decimal: "numeric",
    datetime: "timestamptz",
}


def unnest(
    row: type[tuple[Any, ...]], name: str = "i", *, then: type[tuple[Any, ...]] | None = None
) -> str:
    """Spell the FROM item that reads arrays of a NamedTuple's fields, in the order of the fields.

    `then`: another one, whose fields follow those of the first.

    Its columns are called as the fields are, and `ord` is the row's place from 1, by which a
    `Batcher` gives records back.

    Raises:
        TypeError: a field is of no type that `SQL_TYPES` has, or takes the name of `ord`.
    """
    parts = (row,) if then is None else (row, then)
    hints = {field: hint for part in parts for field, hint in get_type_hints(part).items()}
    fields = tuple(field for part in parts for field in getattr(part, "_fields", ()))
    if not fields or "ord" in fields:
        raise TypeError(f"{row.__name__} is no NamedTuple, or has a field 'ord' of its own")
    arrays = (
        f"${place}::{_sql_type(row, field, hints[field])}[]"
        for place, field in enumerate(fields, start=1)
    )
    columns = (*fields, "ord")
    return f"unnest({', '.join(arrays)}) WITH ORDINALITY AS {name} ({', '.join(columns)})"


def _sql_type(row: type, field: str, hint: Any) -> str:
    """Look up what an array of it is cast to; a value that may be missing changes nothing."""
    kind = hint
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        kind = kinds[0] if len(kinds) == 1 else kind
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    if kind not in SQL_TYPES:
        raise TypeError(f"{row.__name__}.{field} is {hint}, which has no SQL type here")
    return SQL_TYPES[kind]
