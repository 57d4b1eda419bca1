"""Rows of lists as tables have them: by the fields of a struct, one way for files and for HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from relay.usage.sheet import Cell, Sheet, amount, csv_line

__all__ = ["cells", "csv_head", "csv_line", "head", "sheet_of"]

BOM = "\ufeff"
"""Without it Excel reads no UTF-8."""
MICROS = "_micros"
"""How the names of amounts end; a table has them in the currency."""


def head(row: type[msgspec.Struct]) -> list[str]:
    """Name the columns of such rows."""
    return [name.removesuffix(MICROS) for name in row.__struct_fields__]


def csv_head(row: type[msgspec.Struct]) -> bytes:
    """Spell how a file of such rows begins."""
    return f"{BOM}{csv_line(head(row))}".encode()


def cells(row: msgspec.Struct) -> list[Cell]:
    """Spell a row: ids as text, amounts exact, moments in UTC, nothing as an empty text."""
    return [_cell(name, getattr(row, name)) for name in row.__struct_fields__]


def sheet_of(title: str, row: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> Sheet:
    """Lay out a list for a file."""
    return Sheet(title=title, facts=(), columns=head(row), rows=[cells(one) for one in rows])


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
        case datetime():
            cell = f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        case str() | Decimal():
            cell = value
        case _:
            cell = msgspec.json.encode(value, enc_hook=str).decode()
    return cell
