"""`relay owner`: whose the things are that live on a Kling account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.show import json_option, moment, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.owners import Claimed
    from relay.owners.read import ListedOwner

KINDS = ["video", "audio", "element", "voice", "session"]
ID_CHARS_MAX = 256
IDS_MAX = 1_000_000


@click.group()
def owner() -> None:
    """Say whose videos, audios, elements, voices and sessions are.

    What tenants make here is learned by itself. A request that names a thing goes to the account
    it lives on; a thing that is not the tenant's does not exist for it. What a tenant made on your
    account before it came here has to be claimed once.
    """


def claiming(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what both ways to claim take."""
    options = [
        click.argument("tenant", help="The tenant's name."),
        click.argument("channel", help="The channel whose account it lives on."),
        click.argument("kind", type=click.Choice(KINDS), help="What it is."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


days_option = click.option(
    "--days",
    type=click.IntRange(1, 3650),
    help="How long it lives. Default: as long as Kling keeps it: videos and audios 30 days,"
    " sessions 1, elements and voices until they are deleted.",
)


@owner.command()
@claiming
@click.argument("id", help="Kling's id of it.")
@days_option
@json_option
@examples(
    "relay owner add acme main element 829836802793406551",
    "relay owner add acme main video 867283741759111202 --days 12",
)
def add(tenant: str, channel: str, kind: str, id: str, days: int | None, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Claim one thing for a tenant; one that is another tenant's is refused."""
    claimed = _claim(tenant, channel, kind, _read_ids([id]), days)
    if as_json:
        print_json(claimed)
    else:
        was = "" if claimed.new else " (it was before)"
        click.echo(f"{kind} {id} is '{tenant}'s on '{channel}'{was}")


@owner.command("import")
@claiming
@click.argument("file", type=click.Choice(["-"]), help="'-': the ids come from stdin.")
@days_option
@json_option
@examples("relay owner import acme main element - < elements.txt")
def import_ids(
    tenant: str, channel: str, kind: str, file: str, days: int | None, *, as_json: bool
) -> None:
    """Claim many things, one id a line; nothing is written if one of them is another tenant's."""
    del file
    claimed = _claim(tenant, channel, kind, _read_ids(sys.stdin), days)
    if as_json:
        print_json(claimed)
    else:
        click.echo(f"{claimed.new} new, {claimed.known} were '{tenant}'s before")


@owner.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Most rows."
)
@json_option
def list_command(tenant: str | None, kind: str | None, limit: int, *, as_json: bool) -> None:
    """List whose things are, newest first, with those that expired or were deleted."""

    async def work(session: AsyncSession) -> list[ListedOwner]:
        from relay.desk.find import tenant_named
        from relay.kling.endpoint import Resource
        from relay.owners.read import OwnerFilter, list_owners

        wanted = OwnerFilter(
            tenant_id=(await tenant_named(session, tenant)).id if tenant is not None else None,
            kind=Resource(kind) if kind else None,
        )
        return await list_owners(session, wanted, limit=limit)

    with open_database() as database:
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        ["tenant", "channel", "kind", "id", ">task", "expires", "deleted"],
        [
            (
                row.tenant,
                row.channel,
                row.kind,
                row.id,
                "-" if row.task_id is None else str(row.task_id),
                moment(row.expires_at),
                moment(row.deleted_at),
            )
            for row in found
        ],
        empty="Nothing is owned yet: what tenants make is learned, `relay owner add` claims more.",
    )


def _claim(tenant: str, channel: str, kind: str, ids: list[str], days: int | None) -> Claimed:
    async def work(session: AsyncSession, actor: Actor) -> Claimed:
        from datetime import timedelta

        from relay.desk.owners import claim_owners
        from relay.kling.endpoint import Resource

        return await claim_owners(
            session,
            actor,
            tenant=tenant,
            channel=channel,
            kind=Resource(kind),
            ids=ids,
            lives=timedelta(days=days) if days else None,
        )

    with open_database() as database:
        return database.act(work)


def _read_ids(lines: Iterable[str]) -> list[str]:
    """Read one id a line, each once; empty lines do not count."""
    ids: dict[str, None] = {}
    for line in lines:
        one = line.strip()
        if not one:
            continue
        if len(one) > ID_CHARS_MAX or not one.isprintable() or " " in one:
            raise click.UsageError(f"'{one[:80]}' is not an id.")
        ids[one] = None
        if len(ids) > IDS_MAX:
            raise click.UsageError(f"More than {IDS_MAX:,} ids: claim them in parts.")
    if not ids:
        raise click.UsageError("No id was given.")
    return list(ids)
