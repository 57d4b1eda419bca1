"""Where a document goes: a file that is named, or stdout."""

from pathlib import Path

import rich_click as click

from relay.cli.failure import Failure


def put(data: bytes, out: str | None) -> None:
    """Write a document as it is.

    Raises:
        Failure: the file cannot be written.
    """
    if out is None:
        click.echo(data, nl=False)
        return
    try:
        Path(out).write_bytes(data)
    except OSError as error:
        raise Failure(f"{out} could not be written: {error}") from error
    click.echo(f"Written to {out}.", err=True)
