"""`relay channel set`, `enable`, `disable`, `drain` and `remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.channel_keys import (
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
from relay.cli.channel_rows import show_row
from relay.cli.channel_way import way_options
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import Name
from relay.cli.show import json_option
from relay.cli.sure import ask, sure_option

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.opened import OpenedChannel
    from relay.channels.tables import Channel
    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.desk.channels import ChannelChanges, ChannelKeys, WayChanges
    from relay.kling.way import Way


@click.command("set")
@click.argument("name", help="The channel's name.")
@key_option
@api_key_option
@webhook_secret_option
@click.option("--base-url", metavar="URL", help="Another host.")
@click.option("--priority", type=PRIORITY, help="Higher is tried first.")
@click.option("--weight", type=WEIGHT, help="Share among channels of one priority.")
@group_option
@model_option
@room_option
@way_options
@click.option("--rename", type=Name(), metavar="NAME", help="A new name.")
@no_check_option
@same_account_option
@json_option
@examples(
    "relay channel set main --key -           # a new pair, asked for",
    "relay channel set main --priority 10",
    "relay channel set main --proxy http://10.0.0.1:3128 --ca-file corporate.pem",
    "relay channel set main --proxy none",
    "relay channel set main --room video=5 --room image=9",
)
def set_channel(
    name: str,
    key: tuple[str, str] | str | None,
    api_key: str | None,
    webhook_secret: str | None,
    base_url: str | None,
    priority: int | None,
    weight: int | None,
    groups: tuple[str, ...],
    models: tuple[str, ...],
    room: tuple[tuple[str, int | None], ...],
    rename: str | None,
    way: WayChanges,
    *,
    no_check: bool,
    same_account: bool,
    as_json: bool,
) -> None:
    """Change a channel; what is not named stays.

    New keys, and old ones at a new host or through another proxy, are tried first as in `add`. Keys
    must stay those of the same Kling account: its running tasks are asked for with them.
    """
    from relay.channels.directory import read_channels
    from relay.desk.channels import ChannelChanges, WayChanges
    from relay.desk.find import channel_named

    given = (key, api_key, webhook_secret, base_url, priority, weight, rename)
    others = room or groups or models or way != WayChanges()
    if all(option is None for option in given) and not others:
        raise click.UsageError("Say what to change, such as --key - or --priority 10.")
    url = None if base_url is None else base_url_of(base_url)
    new = read_keys(key, api_key, webhook_secret, is_asking=False)

    async def to_try(session: AsyncSession) -> tuple[str, ChannelKeys, Way | None]:
        row = await channel_named(session, name)
        channels = await read_channels(session, database.keys)
        opened = next(one for one in channels if one.id == row.id)
        out = way.after(opened.way)
        if url is None and not way.is_another:
            return row.base_url, new, out
        return url or row.base_url, _merged(opened, new), out

    with open_database() as database:
        is_sandbox = False
        has_new_key = new.access_key is not None or new.api_key is not None
        if not no_check and (url is not None or has_new_key or way.is_another):
            at, tried, out = database.read(to_try)
            refuse_bad(probe(at, tried, out))
            if not same_account:
                refuse_same_account(database, at, tried, out, but=name)
            is_sandbox = url is not None and leads_to_sandbox(url, out)
        changes = ChannelChanges(
            base_url=url,
            priority=priority,
            weight=weight,
            groups=listed(groups),
            models=listed(models),
            room=dict(room),
            rename=rename,
            is_sandbox=is_sandbox,
            keys=new,
            way=way,
        )
        row = database.act(_change(database, name, changes, may_be_same=same_account))
    note_models(listed(models) or (), room)
    show_row(row, as_json=as_json)


@click.command()
@click.argument("name", help="The channel's name.")
@json_option
def enable(name: str, *, as_json: bool) -> None:
    """Give a channel new tasks again; whatever was learned of how it does is forgotten."""
    from relay.desk.channels import ChannelChanges

    with open_database() as database:
        row = database.act(_change(database, name, ChannelChanges(enabled=True)))
    show_row(row, as_json=as_json)


@click.command()
@click.argument("name", help="The channel's name.")
@json_option
def disable(name: str, *, as_json: bool) -> None:
    """Give a channel no new tasks within 2 seconds; its running ones are still asked for."""
    from relay.desk.channels import ChannelChanges

    with open_database() as database:
        row = database.act(_change(database, name, ChannelChanges(enabled=False)))
    show_row(row, as_json=as_json)


@click.command()
@click.argument("name", help="The channel's name.")
@json_option
def drain(name: str, *, as_json: bool) -> None:
    """Give a channel no new tasks, and switch it off once its last one has ended.

    Meanwhile its tasks are looked after, and its voices and elements can be read and deleted.
    """
    from relay.desk.channels import ChannelChanges

    with open_database() as database:
        row = database.act(_change(database, name, ChannelChanges(is_draining=True)))
    show_row(row, as_json=as_json)


@click.command()
@click.argument("name", help="The channel's name.")
@sure_option
@json_option
@examples(
    "relay channel drain main     # no new tasks, while its last ones end",
    "relay channel remove main",
)
def remove(name: str, *, is_sure: bool, as_json: bool) -> None:
    """Take a channel out of use for good; refused while tasks of it are not over.

    Its tasks stay, and name it. Its keys are erased a day later; the name is free at once.
    """
    ask(f"Remove channel '{name}' for good, with its keys?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> Channel:
        from relay.desk.channels import remove_channel

        return await remove_channel(session, actor, name)

    with open_database() as database:
        row = database.act(work)
    show_row(row, as_json=as_json)


def _change(
    database: Database, name: str, changes: ChannelChanges, *, may_be_same: bool = False
) -> Callable[[AsyncSession, Actor], Coroutine[Any, Any, Channel]]:
    async def work(session: AsyncSession, actor: Actor) -> Channel:
        from relay.desk.channels import change_channel

        return await change_channel(
            session, actor, database.keys, name, changes, may_be_same=may_be_same
        )

    return work


def _merged(old: OpenedChannel, new: ChannelKeys) -> ChannelKeys:
    """Put new keys in place of old ones: what the channel will hold."""
    from relay.desk.channels import ChannelKeys

    return ChannelKeys(
        access_key=new.access_key or old.access_key,
        secret_key=new.secret_key or old.secret_key,
        api_key=new.api_key or old.api_key,
    )
