"""`relay task list`: tasks by any filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.listing import Listing, list_options, put_list
from relay.cli.parameters import ID, Amount
from relay.cli.show import moment, note, print_json, print_table
from relay.cli.window import Moment
from relay.money import money

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.window import Span
    from relay.tasks.inspect import ListedTask

STATUSES = [
    *("queued", "pending", "unknown", "submitted", "processing"),
    *("succeed", "failed", "refused"),
]


@click.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--token", "token_id", type=ID, help="Only made with this key.")
@click.option(
    "--address", "caller_address", help="Only created from there, as `token report` shows it."
)
@click.option("--channel", help="Only on this channel.")
@click.option("--endpoint", help="Only of this endpoint, as the list names it.")
@click.option("--model", help="Only of this model, as the tenant spelled it.")
@click.option("--mode", help="Only of this mode, as it was priced.")
@click.option("--status", type=click.Choice(STATUSES), help="Only in this state.")
@click.option("--open", "is_open", is_flag=True, help="Only those that are not over.")
@click.option(
    "--failure",
    metavar="TEXT",
    help="Only those with this in what Kling, or an operator, said of their failure.",
)
@click.option(
    "--charged",
    "charged_least_micros",
    type=Amount(least=0),
    metavar="AMOUNT",
    help="Only those that were charged this or more.",
)
@click.option(
    "--refunded", "is_refunded", is_flag=True, help="Only those refunded, in part or wholly."
)
@click.option("--by-hand", "is_by_hand", is_flag=True, help="Only those that an operator ended.")
@click.option("--no-tests", "is_real", is_flag=True, help="Only those made with no key for tests.")
@click.option(
    "--since",
    type=Moment(),
    help="Only those made from then on: 2026-11-26, '2026-11-26 17:02:08Z', or 3h, 2d (ago).",
)
@click.option("--until", type=Moment(), help="Only those made up to then, that day or second too.")
@click.option("--flagged", "is_flagged", is_flag=True, help="Only those with a flag.")
@click.option(
    "--stuck",
    "is_stuck",
    is_flag=True,
    help="Only those worth a look: alive for more than an hour, without a verdict past their"
    " deadline, or flagged. The oldest first.",
)
@click.option(
    "--before", "before_id", type=ID, help="What the list has behind this task, to page on."
)
@list_options
@examples(
    "relay task list --tenant acme --status failed --since 2d",
    "relay task list --since 2026-11-01 --format xlsx --out tasks.xlsx",
    "relay task list --model kling-v3 --since 2026-11-26 --until 2026-11-26",
    "relay task list --token 7 --address 198.51.100.9 --since 3d",
    "relay task list --failure 'risk control' --no-tests --since 2d",
    "relay task list --open --channel main",
    "relay task list --stuck",
)
def list_command(
    tenant: str | None,
    channel: str | None,
    since: Span | None,
    until: Span | None,
    before_id: int | None,
    listing: Listing,
    **wanted: Any,
) -> None:
    """List tasks, newest first. What one holds is told while it lives."""

    async def read(session: AsyncSession, before_id: int | None, most: int) -> list[ListedTask]:
        from relay.desk.find import channel_named, tenant_named
        from relay.tasks.inspect import TaskFilter, list_tasks

        return await list_tasks(
            session,
            TaskFilter(
                tenant_id=(await tenant_named(session, tenant)).id if tenant is not None else None,
                channel_id=(await channel_named(session, channel)).id
                if channel is not None
                else None,
                since=since.start if since else None,
                until=until.until if until else None,
                **wanted,
            ).behind(before_id),
            limit=most,
        )

    with open_database() as database:
        if listing.is_file:
            from relay.tasks.inspect import ListedTask

            put_list(database, read, ListedTask, listing, title="Tasks", before_id=before_id)
            return
        found = database.read(lambda session: read(session, before_id, listing.rows))
        currency = database.settings.currency
    print_tasks(found, currency, as_json=listing.is_json)
    if len(found) == listing.rows and not listing.is_json:
        note(f"There may be more: --before {found[-1].id} shows them.")


def print_tasks(found: list[ListedTask], currency: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        [
            *(">id", "tenant", "endpoint", "model", "status", ">held", ">charged", ">refunded"),
            *("created", "Kling's id", "tenant's id", "channel", ""),
        ],
        [
            (
                str(row.id),
                row.tenant,
                row.endpoint,
                row.model or "-",
                row.status,
                money(row.held_micros, currency) if row.held_micros else "-",
                "-" if row.charged_micros is None else money(row.charged_micros, currency),
                money(row.refunded_micros, currency) if row.refunded_micros else "-",
                moment(row.created_at),
                row.kling_id or "-",
                row.tenant_external_id or "-",
                row.channel,
                " ".join(["flagged"] * row.is_flagged + ["test"] * row.is_test),
            )
            for row in found
        ],
        empty="There are no such tasks.",
    )
