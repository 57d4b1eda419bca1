"""`relay changes`: what was done at the desk, by whom, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.listing import Listing, list_options, put_list
from relay.cli.parameters import ID
from relay.cli.show import json_option, moment, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.shown import ShownChange
    from relay.desk.tables import Change

CELL_CHARS_MAX = 60
"""Of what changed, in a list; `show` has all of it."""


@click.group()
def changes() -> None:
    """See who did what at the desk, when and why; nothing here is ever altered."""


@changes.command("list")
@click.option("--actor", help="Only of this one, such as system:root.")
@click.option("--act", help="Only this act, such as tenant.top_up, or all of a kind: tenant.")
@click.option("--subject", help="Only on what had this name then: a tenant's, a task's id.")
@click.option("--before", "before_id", type=ID, help="Only before this change, to page on.")
@list_options
@examples(
    "relay changes list --subject acme",
    "relay changes list --format csv --out changes.csv",
    "relay changes list --act task --actor system:ann",
)
def list_command(
    actor: str | None,
    act: str | None,
    subject: str | None,
    before_id: int | None,
    listing: Listing,
) -> None:
    """List changes, newest first."""

    async def read(session: AsyncSession, before_id: int | None, most: int) -> list[Change]:
        from relay.desk.changes import list_changes

        return await list_changes(
            session, actor=actor, act=act, subject=subject, before_id=before_id, limit=most
        )

    async def shown(session: AsyncSession, before_id: int | None, most: int) -> list[ShownChange]:
        return [_described(row) for row in await read(session, before_id, most)]

    from relay.desk.spelt_changes import spelt_change

    with open_database() as database:
        if listing.is_file:
            from relay.desk.shown import ShownChange

            put_list(database, shown, ShownChange, listing, title="Changes", before_id=before_id)
            return
        found = database.read(lambda session: read(session, before_id, listing.rows))
        currency = database.settings.currency
    if listing.is_json:
        print_json([_described(row) for row in found])
        return
    print_table(
        [">id", "at", "actor", "act", "on", "changed", "reason"],
        [
            (
                str(row.id),
                moment(row.at),
                row.actor,
                row.act,
                _subject(row),
                _shortened(spelt_change(row.before, row.after, currency)),
                row.reason or "-",
            )
            for row in found
        ],
        empty="There are no such changes.",
    )


@changes.command()
@click.argument("id", type=ID, help="As `relay changes list` shows it.")
@json_option
@examples("relay changes show 12")
def show(id: int, *, as_json: bool) -> None:  # noqa: A002 (click names it by the argument)
    """Show one change: before, after, and from where it was made."""
    from relay.desk.spelt_changes import spelt_state

    async def work(session: AsyncSession) -> Change | None:
        from relay.desk.changes import find_change

        return await find_change(session, id)

    with open_database() as database:
        row = database.read(work)
        currency = database.settings.currency
    if row is None:
        raise Failure(f"there is no change {id}; `relay changes list` shows them")
    if as_json:
        print_json(_described(row))
        return
    print_pairs(
        [
            ("change", str(row.id)),
            ("at", moment(row.at)),
            ("actor", row.actor),
            ("from", row.origin or None),
            ("request", row.request_id),
            ("act", row.act),
            ("on", _subject(row)),
            ("before", spelt_state(row.before, currency)),
            ("after", spelt_state(row.after, currency)),
            ("reason", row.reason),
        ]
    )


def _described(row: Change) -> ShownChange:
    from relay.desk.shown import shown_change

    return shown_change(row)


def _subject(row: Change) -> str:
    return f"{row.subject_kind} {row.subject}"


def _shortened(text: str | None) -> str:
    shown = text or "-"
    return shown if len(shown) <= CELL_CHARS_MAX else f"{shown[: CELL_CHARS_MAX - 1]}…"
