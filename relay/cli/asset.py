"""`relay asset`: files of results that stay, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import ID
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.sure import ask, sure_option

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.assets.read import KeptSum, ListedAsset, StoredObject
    from relay.assets.verify import Verified
    from relay.desk.actor import Actor

STATES = ["due", "stored", "lost", "deleted"]
AT_ONCE = 500


@click.group()
def asset() -> None:
    """Look at files of results that stay, end one, and see that all of them are there.

    `relay tenant set NAME --keep-results DAYS` says whose are kept.
    """


@asset.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--task", "task_id", type=ID, metavar="ID", help="Only of this task: our id of it.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most rows."
)
@json_option
@examples("relay asset list --tenant acme", "relay asset list --state due")
def list_command(
    tenant: str | None, state: str | None, task_id: int | None, limit: int, *, as_json: bool
) -> None:
    """List files that are kept, are to be, or were, newest first."""

    async def work(session: AsyncSession) -> tuple[list[ListedAsset], KeptSum]:
        from relay.assets.read import AssetFilter, list_assets, read_kept_sum
        from relay.assets.tables import AssetState
        from relay.desk.find import tenant_named

        tenant_id = None if tenant is None else (await tenant_named(session, tenant)).id
        wanted = AssetFilter(tenant_id, None if state is None else AssetState(state), task_id)
        found = await list_assets(session, wanted, limit=limit)
        return found, await read_kept_sum(session, tenant_id)

    with open_database() as database:
        found, kept = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        ["asset", "tenant", ">task", "state", "kind", ">bytes", "until", "reason"],
        [
            (
                str(row.asset),
                row.tenant,
                "-" if row.task_id is None else str(row.task_id),
                row.state.value,
                row.content_type or "",
                "" if row.bytes is None else f"{row.bytes:,}",
                "" if row.kept_until is None else moment(row.kept_until),
                row.reason or "",
            )
            for row in found
        ],
        empty="There are no such files.",
    )
    whose = "in all" if tenant is None else f"of {tenant}"
    note(f"In the store are {kept.bytes:,} bytes {whose}, in {kept.objects} objects.")


@asset.command()
@click.argument("id", help="As links to it have it.")
@json_option
@examples("relay asset show 0192f0c1-…")
def show(id: str, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Show a file: where it came from, where it stands, and a link to it if there is one."""
    import time

    from relay.assets.opened import links_of

    async def work(session: AsyncSession) -> ListedAsset:
        from relay.desk.assets import asset_named

        return await asset_named(session, id)

    with open_database() as database:
        found = database.read(work)
        url = None
        if found.state == "stored" and found.content_type is not None:
            links = links_of(database.settings, database.keys)
            url = links.url(found.asset, found.content_type, now_s=time.time())
    if as_json:
        print_json(found)
        return
    print_pairs(
        [
            ("asset", f"{found.asset}, {found.state.value}"),
            ("tenant", found.tenant),
            ("task", None if found.task_id is None else str(found.task_id)),
            ("from", found.source_url),
            ("kind", found.content_type),
            ("bytes", None if found.bytes is None else f"{found.bytes:,}"),
            ("sha256", found.sha256),
            ("noted", moment(found.created_at)),
            ("stored", None if found.stored_at is None else moment(found.stored_at)),
            ("kept until", None if found.kept_until is None else moment(found.kept_until)),
            ("ended", None if found.ended_at is None else moment(found.ended_at)),
            ("tries", str(found.attempts)),
            ("next try", None if found.next_attempt_at is None else moment(found.next_attempt_at)),
            ("reason", found.reason),
            ("link", url),
        ]
    )


@asset.command()
@click.argument("id", help="As links to it have it.")
@sure_option
@json_option
@examples("relay asset delete 0192f0c1-…")
def delete(id: str, *, is_sure: bool, as_json: bool) -> None:  # noqa: A002 (click)
    """End a file before its time: its links are over at once, its content is gone in an hour."""
    ask("Kling may have it no more. End it?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> ListedAsset:
        from relay.desk.assets import delete_asset

        return await delete_asset(session, actor, id)

    with open_database() as database:
        ended = database.act(work)
    if as_json:
        print_json(ended)
    else:
        click.echo(f"{ended.asset} of {ended.tenant} is over.")


@asset.command()
@click.option("--tenant", help="Only this tenant's.")
@json_option
@examples("relay asset verify", "relay asset verify --tenant acme --json")
def verify(tenant: str | None, *, as_json: bool) -> None:
    """Read every file that is kept again, and compare its length and hash; changes nothing.

    Exit code 0: all of them are there, whole; 1: some are not.
    """
    import asyncio

    from relay.assets.opened import open_store
    from relay.assets.verify import verify_object

    async def read(session: AsyncSession) -> list[StoredObject]:
        from relay.assets.read import read_objects
        from relay.desk.find import tenant_named

        tenant_id = None if tenant is None else (await tenant_named(session, tenant)).id
        found: list[StoredObject] = []
        while True:
            after = found[-1].id if found else 0
            page = await read_objects(session, tenant_id=tenant_id, after_id=after, limit=AT_ONCE)
            found += page
            if len(page) < AT_ONCE:
                return found

    with open_database() as database:
        objects = database.read(read)
        store = open_store(database.settings)

    async def look() -> list[Verified]:
        return [await verify_object(store, one) for one in objects]

    looked_at = asyncio.run(look())
    wrong = [one for one in looked_at if one.why_not is not None]
    if as_json:
        print_json(looked_at)
    elif wrong:
        print_table(
            ["key", ">bytes", "what is wrong"],
            [(one.key, f"{one.bytes:,}", one.why_not or "") for one in wrong],
            empty="",
        )
    else:
        size = sum(one.bytes for one in looked_at)
        click.echo(f"All is there: {len(looked_at)} objects, {size:,} bytes, in {store.place}.")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(looked_at)} objects are not there, or not whole")
