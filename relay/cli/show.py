"""How results are printed: tables for people, or one JSON document."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import rich_click as click

from relay.moments import spelt_moment

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def print_json(value: object) -> None:
    """Print one document: structs and mappings, times as ISO 8601 in UTC, decimals as text."""
    import msgspec

    encoded = msgspec.json.encode(value, enc_hook=str)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def fields_of(shown: Any) -> dict[str, Any]:
    """Take a struct's fields, for a document that has more."""
    import msgspec

    return msgspec.structs.asdict(shown)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print a table whose cells are never cut or wrapped; a column named `>x` is set right.

    `empty` is said on stderr instead of a table without rows.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if is_number else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if not table.row_count:
        note(empty)
        return
    # Wider than anything: ids must be copied whole, and a terminal folds long lines by itself.
    console = Console(width=100_000, highlight=False)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_pairs(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print names and values, one pair per line; a value of None is left out."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {printable(value)}")


def note(text: str) -> None:
    """Say something that is not data."""
    click.echo(text, err=True)


def moment(at: datetime | None) -> str:
    return spelt_moment(at)


def yes_no(value: object) -> str:
    return "yes" if value else "no"


def printable(text: str) -> str:
    """Take out what could steer a terminal: ids and messages are written by others."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def raw_json(text: str | bytes | None) -> Any:
    """Keep JSON that Kling sent as it is, digits and all; what is not JSON becomes text."""
    import msgspec

    if text is None:
        return None
    encoded = text.encode() if isinstance(text, str) else text
    try:
        msgspec.json.decode(encoded, type=msgspec.Raw)
        return msgspec.Raw(msgspec.json.format(encoded, indent=0))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return encoded.decode(errors="replace")
