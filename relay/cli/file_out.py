"""Where a document goes: a file that is named, or stdout."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.failure import Failure, reason
from relay.cli.show import note, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from relay.usage.sheet import Sheet


@contextmanager
def open_out(out: str | None) -> Iterator[BinaryIO]:
    """Open a file to write a document into as it is made, or stdout.

    Raises:
        Failure: the file cannot be written.
    """
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with open_private(out) as file:
            yield file
    except OSError as error:
        raise Failure(f"{out} could not be written: {reason(error)}") from error
    click.echo(f"Written to {out}.", err=True)


def put(data: bytes, out: str | None) -> None:
    """Write a document as it is.

    Raises:
        Failure: the file cannot be written.
    """
    if out is None:
        click.echo(data, nl=False)
        return
    with open_out(out) as file:
        file.write(data)


def open_private(path: str | Path) -> BinaryIO:
    """Open a file to write, for nobody else to read: it holds what tenants pay.

    One that is there keeps the mode that somebody has given it.
    """
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, mode=0o600))


def put_json(described: object, out: str | None) -> None:
    import msgspec

    if out is None:
        print_json(described)
    else:
        encoded = msgspec.json.encode(described, enc_hook=str)
        put(msgspec.json.format(encoded, indent=2) + b"\n", out)


def put_sheet(sheet: Sheet, form: str, out: str | None, *, empty: str) -> None:
    """Print a sheet as a table, or write it as a document."""
    from relay.usage.sheet import WRITERS

    if form in WRITERS:
        put(WRITERS[form](sheet), out)
    elif sheet.rows:
        print_sheet(sheet)
    else:
        note(empty)


def print_sheet(sheet: Sheet) -> None:
    from relay.usage.sheet import shown

    print_pairs(list(sheet.facts))
    click.echo()
    print_table(sheet.columns, [[shown(cell) for cell in row] for row in sheet.rows], empty="")
    for said in sheet.notes:
        note(said)
