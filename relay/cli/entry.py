"""`relay entry`: every change of a quota, and the quota after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.listing import Listing, list_options, put_list
from relay.cli.parameters import ID
from relay.cli.show import moment, note, print_json, print_table
from relay.cli.window import Moment
from relay.database.ids import TaskId
from relay.money import decimal_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.window import Span
    from relay.usage.entries import ListedEntry

KINDS = ["topup", "adjust", "charge", "refund", "correction"]
TOPUPS = ["paid", "bonus", "correction"]


@click.group()
def entry() -> None:
    """Read the ledger: every change of a quota, none ever changed itself."""


@entry.command("list")
@click.option("--tenant", help="Only of this tenant's tasks, and of what it draws on.")
@click.option("--account", "account_id", type=ID, help="Only of this account, by its number.")
@click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
@click.option("--topup", "topup_kind", type=click.Choice(TOPUPS), help="Only such top-ups.")
@click.option("--task", "task_id", type=ID, help="Only of this task, by our id.")
@click.option("--reference", help="Only top-ups whose reference begins so.")
@click.option("--actor", help="Only by whom, such as operator:ann, or ann.")
@click.option(
    "--since",
    type=Moment(),
    help="Only those made from then on: 2026-11-26, '2026-11-26 17:02:08Z', or 3h, 2d (ago).",
)
@click.option("--until", type=Moment(), help="Only those made up to then, that day or second too.")
@click.option("--before", "before_id", type=ID, help="Only before this entry, to page on.")
@list_options
@examples(
    "relay entry list --tenant acme --since 2026-11-01",
    "relay entry list --tenant acme --format csv --out acme.csv",
    "relay entry list --topup bonus",
    "relay entry list --task 117",
)
def list_command(
    tenant: str | None,
    account_id: int | None,
    kind: str | None,
    topup_kind: str | None,
    task_id: int | None,
    reference: str | None,
    actor: str | None,
    since: Span | None,
    until: Span | None,
    before_id: int | None,
    listing: Listing,
) -> None:
    """List entries, newest first, each with the quota of its account after it."""

    async def read(session: AsyncSession, before_id: int | None, most: int) -> list[ListedEntry]:
        from relay.desk.find import tenant_named
        from relay.usage.entries import EntryFilter, list_entries

        wanted = EntryFilter(
            account_id=account_id,
            tenant=await tenant_named(session, tenant) if tenant is not None else None,
            kind=kind,
            topup_kind=topup_kind,
            task_id=TaskId(task_id) if task_id is not None else None,
            reference=reference,
            actor=actor,
            since=since.start if since else None,
            until=until.until if until else None,
            before_id=before_id,
        )
        return await list_entries(session, wanted, limit=most)

    with open_database() as database:
        if listing.is_file:
            from relay.usage.entries import ListedEntry

            put_list(database, read, ListedEntry, listing, title="Entries", before_id=before_id)
            return
        found = database.read(lambda session: read(session, before_id, listing.rows))
        currency = database.settings.currency
    if listing.is_json:
        print_json(found)
        return
    _print(found, currency)
    if len(found) == listing.rows:
        note(f"There may be more: --before {found[-1].id} shows them.")


def _print(found: list[ListedEntry], currency: str) -> None:
    columns = [">id", "at", "tenant", ">account", "kind", f">{currency}", f">{currency} after"]
    print_table(
        [*columns, ">task", "reference", "reason", "actor"],
        [
            (
                str(one.id),
                moment(one.created_at),
                one.tenant or "-",
                str(one.account_id),
                f"topup, {one.topup_kind}" if one.topup_kind else one.kind,
                decimal_of(one.amount_micros),
                decimal_of(one.quota_after_micros),
                str(one.task_id or "-"),
                one.reference or "-",
                one.reason or "-",
                one.actor,
            )
            for one in found
        ],
        empty="There are no such entries.",
    )
