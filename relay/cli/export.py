"""`relay export`: tables as JSON lines, or what stands as a file for `relay apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.file_out import open_out, put

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database

TABLES = (
    *("channels", "costs", "limits", "prices", "multipliers", "statements", "pauses", "operators"),
    *("operator-tokens", "code-batches", "notice-places", "alert-rules", "alert-places", "audits"),
    *("tenants", "tokens", "invoices", "entries", "tasks", "codes", "notices", "deliveries"),
    "changes",
)


@click.command()
@click.argument(
    "table",
    type=click.Choice(["all", "setup", *TABLES]),
    help="One of them, all of them, or setup: a file for `relay apply`.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="A directory for TABLE.jsonl, or setup.toml; it is made if need be. Default: stdout.",
)
@examples(
    "relay export tasks | jq -c 'select(.tenant == \"acme\")'",
    "relay export all --out books-2026-11",
    "relay export setup > relay.toml      # for `relay apply`",
)
def export(table: str, out: str | None) -> None:
    """Write a table as JSON lines, newest first where it grows; all of them; or the setup as TOML.

    Without secrets and hashes. Money is in the relay's currency, as decimals in text; moments are
    ISO 8601 in UTC. Statements are the months that were closed. It is read page by page, in little
    memory, and what is written meanwhile is not in it. Files are for you alone to read (mode 0600).
    """
    if table == "all" and out is None:
        raise click.UsageError("All tables are several files: say --out DIR.")
    with open_database() as database:
        if out is not None:
            try:
                Path(out).mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Failure(f"{out} cannot be made: {error.strerror}") from error
        if table in ("all", "setup"):
            _write_setup(database, out)
        for name in TABLES if table == "all" else (table,) if table != "setup" else ():
            _write(database, name, out)


def _write_setup(database: Database, out: str | None) -> None:
    settings = database.settings

    async def work(session: AsyncSession) -> str:
        from relay.desk.setup.dump import dump_setup

        return await dump_setup(session, zone=settings.zone, currency=settings.currency)

    text = database.read(work)
    put(text.encode(), None if out is None else str(Path(out) / "setup.toml"))


def _write(database: Database, name: str, out: str | None) -> None:
    import msgspec

    from relay.desk.exported import Of, read_table

    of = Of(database.settings.zone, database.settings.currency)

    async def write(session: AsyncSession) -> None:
        with open_out(None if out is None else str(Path(out) / f"{name}.jsonl")) as file:
            async for row in read_table(session, name, of):
                file.write(msgspec.json.encode(row, enc_hook=str) + b"\n")

    database.read(write)
