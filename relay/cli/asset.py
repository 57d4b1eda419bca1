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
from relay.cli.window import OneMonth
from relay.money import money, plain

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.assets.months import KeptMonth
    from relay.assets.read import KeptSum, ListedAsset, StoredObject
    from relay.assets.store import AssetStore
    from relay.assets.verify import Mended, Verified
    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.months import Month

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
@click.option("--tenant", help="Only this tenant's.")
@click.option(
    "--month",
    type=OneMonth(),
    metavar="YYYY-MM",
    help="Only this month; without it this one and the twelve before it.",
)
@json_option
@examples("relay asset months --month 2026-11", "relay asset months --tenant acme")
def months(tenant: str | None, month: Month | None, *, as_json: bool) -> None:
    """List what tenants kept by the month, in GB-months, and what of it was charged."""
    from datetime import UTC, datetime

    from relay.months import Month, month_of

    async def work(session: AsyncSession) -> list[KeptMonth]:
        from relay.assets.months import list_kept_months
        from relay.desk.find import tenant_named

        whose = None if tenant is None else (await tenant_named(session, tenant)).id
        last = month or month_of(datetime.now(UTC), database.settings.zone)
        first = month or Month(last.year - 1, last.number)
        return await list_kept_months(session, first=first, last=last, tenant_id=whose)

    with open_database() as database:
        currency = database.settings.currency
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        ["month", "tenant", ">GB-months", ">most bytes", ">comes to", ">charged", ">given back"],
        [
            (
                row.month,
                row.tenant,
                plain(row.gb_months),
                f"{row.bytes_most:,}",
                money(row.comes_to_micros, currency),
                "" if row.charged_micros is None else money(row.charged_micros, currency),
                money(row.given_back_micros, currency) if row.given_back_micros else "",
            )
            for row in found
        ],
        empty="Nobody kept files then.",
    )


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
@click.option("--tenant", help="Only this tenant's; what no row knows of is not looked for then.")
@click.option("--mend", "is_mended", is_flag=True, help="Have the rows and the store agree.")
@click.option(
    "--none-left",
    "is_none_left",
    is_flag=True,
    help="With --mend: it is the right store, though nothing of what it should have is in it.",
)
@sure_option
@json_option
@examples(
    "relay asset verify", "relay asset verify --tenant acme --json", "relay asset verify --mend"
)
def verify(
    tenant: str | None, *, is_mended: bool, is_none_left: bool, is_sure: bool, as_json: bool
) -> None:
    """Read every file that is kept again, compare its length and hash, and find what nobody has.

    Changes nothing without --mend. With it, files of which the content is not there, or not whole,
    are copied again while Kling has them, and lost else; and what lies in the store without a row,
    as after a database was set back, is taken out of it.

    Exit code 0: all of it is there, whole, and nothing else; 1: not so, or it was not so before.
    """
    import asyncio

    from relay.assets.opened import open_store
    from relay.assets.verify import looked_through

    async def read(session: AsyncSession) -> tuple[list[StoredObject], set[str]]:
        from relay.assets.read import read_keys, read_objects
        from relay.desk.find import tenant_named

        tenant_id = None if tenant is None else (await tenant_named(session, tenant)).id
        found: list[StoredObject] = []
        while True:
            after = found[-1].id if found else 0
            page = await read_objects(session, tenant_id=tenant_id, after_id=after, limit=AT_ONCE)
            found += page
            if len(page) < AT_ONCE:
                return found, await read_keys(session)

    with open_database() as database:
        store = open_store(database.settings)
        # Listed before the rows are read: of what is put a row is there first.
        in_store = asyncio.run(store.keys()) if tenant is None else {}
        objects, known = database.read(read)
        looked_at = asyncio.run(looked_through(store, objects))
        wrong = [one for one in looked_at if one.why_not is not None]
        unknown = sorted(in_store.keys() - known)
        _tell(looked_at, unknown, in_store, store.place, as_json=as_json)
        if is_mended and (wrong or unknown):
            if len(wrong) == len(looked_at) > 0 and not is_none_left:
                raise Failure(
                    f"nothing of what {store.place} should have is in it: it is hardly the store"
                    " that the relay writes to; if it is, say --none-left"
                )
            _mend(database, store, looked_at, unknown, is_sure=is_sure)
    if wrong:
        raise Failure(f"{len(wrong)} of {len(looked_at)} objects are not there, or not whole")
    if unknown:
        raise Failure(f"{len(unknown)} objects in the store are of no row")


def _tell(
    looked_at: list[Verified],
    unknown: list[str],
    in_store: dict[str, int],
    place: str,
    *,
    as_json: bool,
) -> None:
    """Say what is wrong of what should be there, and what is there besides."""
    of_no_row = [(key, in_store[key], "no row knows of it") for key in unknown]
    if as_json:
        more = [{"key": key, "bytes": size, "why_not": why} for key, size, why in of_no_row]
        print_json([*looked_at, *more])
        return
    wrong = [(one.key, one.bytes, one.why_not) for one in looked_at if one.why_not is not None]
    if wrong or of_no_row:
        print_table(
            ["key", ">bytes", "what is wrong"],
            [(key, f"{size:,}", why or "") for key, size, why in (*wrong, *of_no_row)],
            empty="",
        )
    else:
        size = sum(one.bytes for one in looked_at)
        click.echo(f"All is there: {len(looked_at)} objects, {size:,} bytes, in {place}.")


def _mend(
    database: Database,
    store: AssetStore,
    looked_at: list[Verified],
    unknown: list[str],
    *,
    is_sure: bool,
) -> None:
    """Have the rows and the store agree."""
    import asyncio

    missing = [one.id for one in looked_at if one.why_not is not None]
    if unknown:
        note("What is of no row here may be another relay's, if a copy of this database is in use.")
    ask(
        f"Give up {len(missing)} objects that are not whole, and take {len(unknown)} out of the"
        " store?",
        is_sure=is_sure,
    )

    async def remove() -> None:
        for key in unknown:
            await store.delete(key)

    asyncio.run(remove())

    async def work(session: AsyncSession, actor: Actor) -> Mended:
        from relay.desk.assets import mend_store

        return await mend_store(session, actor, missing=missing, removed=len(unknown))

    mended = database.act(work)
    note(
        f"Of {mended.missing} objects {mended.anew} files are copied again and {mended.lost} are"
        f" lost; {mended.removed} objects were taken out of the store."
    )
