"""`relay channel`: the Kling accounts whose capacity is sold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.channel_bill import bill
from relay.cli.channel_change import disable, drain, enable, remove, set_channel
from relay.cli.channel_cost import cost
from relay.cli.channel_keys import (
    find_host,
    leads_to_sandbox,
    probe,
    read_keys,
    refuse_bad,
    refuse_same_account,
)
from relay.cli.channel_options import (
    PRIORITY,
    WEIGHT,
    api_key_option,
    base_url_of,
    group_option,
    key_option,
    listed,
    model_option,
    no_check_option,
    note_models,
    room_option,
    same_account_option,
    webhook_secret_option,
)
from relay.cli.channel_rows import described, print_rows, show_row
from relay.cli.channel_show import show
from relay.cli.channel_try import try_channel
from relay.cli.channel_way import way_options
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import Name
from relay.cli.show import json_option, note, print_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.tables import Channel
    from relay.desk.actor import Actor
    from relay.desk.channels import WayChanges
    from relay.health.read import Standing


@click.group()
def channel() -> None:
    """Add and change Kling accounts."""


for command in (show, try_channel, set_channel, cost, bill, enable, disable, drain, remove):
    channel.add_command(command)


@channel.command()
@click.argument("name", type=Name(), help="Its name, for you and for `relay` commands.")
@key_option
@api_key_option
@click.option(
    "--base-url",
    metavar="URL",
    help="The region's host, such as https://api-singapore.klingai.com; without it, the one of"
    " Kling's that takes the keys.",
)
@click.option(
    "--priority", type=PRIORITY, default=0, show_default=True, help="Higher is tried first."
)
@click.option(
    "--weight",
    type=WEIGHT,
    default=1,
    show_default=True,
    help="Share of the tasks among channels of one priority.",
)
@group_option
@model_option
@room_option
@way_options
@webhook_secret_option
@no_check_option
@same_account_option
@json_option
@examples(
    "relay channel add main                                # asks for 'AK|SK', finds the host",
    "relay channel add main --key 'AK|SK' --api-key 'KEY' --base-url https://…",
    "pass kling/main | relay channel add main --key -",
    "relay channel add far --proxy socks5://10.0.0.1 --connect-timeout 15",
)
def add(
    name: str,
    key: tuple[str, str] | str | None,
    api_key: str | None,
    base_url: str | None,
    priority: int,
    weight: int,
    groups: tuple[str, ...],
    models: tuple[str, ...],
    room: tuple[tuple[str, int | None], ...],
    webhook_secret: str | None,
    way: WayChanges,
    *,
    no_check: bool,
    same_account: bool,
    as_json: bool,
) -> None:
    """Add a Kling account.

    Without --key and --api-key it asks for 'AK|SK'. Its keys are tried first, for free, by asking
    Kling for a task that does not exist; if Kling does not take them, nothing is written. Without
    --base-url, each of Kling's hosts is asked, and the one that takes the keys is the channel's. An
    account that is a channel already is refused with that channel's name: one key is the same, or
    the new ones see a task of it. A sandbox stands in the group `test`, unless --group says else.
    """
    from relay.channels.groups import TEST

    if base_url is None and no_check:
        raise click.UsageError("--no-check asks no host of Kling's: say which with --base-url.")
    url = None if base_url is None else base_url_of(base_url)
    new = read_keys(key, api_key, webhook_secret, is_asking=True)
    out = way.after(None)

    async def work(session: AsyncSession, actor: Actor) -> Channel:
        from relay.desk.channels import add_channel

        assert url is not None, "it was given, or found"
        return await add_channel(
            session,
            actor,
            database.keys,
            name=name,
            base_url=url,
            channel_keys=new,
            priority=priority,
            weight=weight,
            groups=([TEST] if is_sandbox else []) if in_groups is None else in_groups,
            models=listed(models) or (),
            room={of: slots for of, slots in room if slots is not None},
            may_be_same=same_account,
            is_sandbox=is_sandbox,
            way=way,
        )

    is_sandbox, in_groups = False, listed(groups)
    with open_database() as database:
        if url is None:
            url = find_host(new, out)
        elif not no_check:
            refuse_bad(probe(url, new, out))
        if not no_check:
            if not same_account:
                refuse_same_account(database, url, new, out)
            is_sandbox = leads_to_sandbox(url, out)
        row = database.act(work)
    if is_sandbox:
        note("A sandbox stands there: what it does not find, it does not have.")
    if is_sandbox and in_groups is None:
        note(
            f"It stands in group '{TEST}': `relay token add TENANT --test` makes keys for it, whose"
            " tasks are free. With `--group none` it serves, and charges, as any other."
        )
    if url.startswith("http://"):
        note("Its base URL is plain http: right for a sandbox, not for keys that cost money.")
    note_models(listed(models) or (), room)
    show_row(row, as_json=as_json)


@channel.command("list")
@click.option("--removed", is_flag=True, help="And those that were removed.")
@json_option
def list_channels(*, removed: bool, as_json: bool) -> None:
    """List channels in the order they are tried, and how they do.

    Success and delay are of the tasks that ended in the last hour; room is the tasks that run, of
    those that may.
    """

    async def work(session: AsyncSession) -> tuple[list[Channel], dict[int, Standing]]:
        from relay.channels.read import read_rows
        from relay.health.read import read_standings

        rows = await read_rows(session, with_removed=removed)
        return rows, await read_standings(session, rows)

    with open_database() as database:
        rows, standings = database.read(work)
    if as_json:
        print_json([described(row) | {"standing": standings[row.id]} for row in rows])
    else:
        print_rows(rows, standings)
