"""`relay channel`: the Kling accounts whose capacity is sold."""

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
from relay.cli.channel_rows import described, lookup_word, shortened
from relay.cli.channel_show import show
from relay.cli.channel_try import try_channel
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import KeyPair, Name
from relay.cli.show import json_option, moment, note, print_json, print_table, yes_no
from relay.cli.sure import ask, sure_option

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.opened import OpenedChannel
    from relay.channels.tables import Channel
    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.desk.channels import ChannelChanges, ChannelKeys

key_option = click.option(
    "--key",
    type=KeyPair(),
    help="AccessKey and SecretKey, in quotes; - asks or reads a line of stdin.",
)
api_key_option = click.option(
    "--api-key", metavar="KEY", help="Kling's API key; - asks or reads a line of stdin."
)
webhook_secret_option = click.option(
    "--webhook-secret",
    metavar="whsec_…",
    help="The account's Webhook Secret, if one was made in Kling's console; - asks or reads stdin.",
)
no_check_option = click.option(
    "--no-check", is_flag=True, help="Do not ask Kling whether the keys work."
)
same_account_option = click.option(
    "--same-account",
    is_flag=True,
    help="Take keys of an account that is a channel already; both share its limits.",
)
PRIORITY = click.IntRange(-1000, 1000)
WEIGHT = click.IntRange(1, 1000)


@click.group()
def channel() -> None:
    """Add and change Kling accounts."""


channel.add_command(show)
channel.add_command(try_channel)


@channel.command()
@click.argument("name", type=Name(), help="Its name, for you and for `relay` commands.")
@key_option
@api_key_option
@click.option(
    "--base-url",
    required=True,
    metavar="URL",
    help="The region's host, such as https://api-singapore.klingai.com.",
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
@webhook_secret_option
@no_check_option
@same_account_option
@json_option
@examples(
    "relay channel add main --base-url https://api-singapore.klingai.com    # asks for 'AK|SK'",
    "relay channel add main --key 'AK|SK' --api-key 'KEY' --base-url https://…",
    "pass kling/main | relay channel add main --key - --base-url https://…",
)
def add(
    name: str,
    key: tuple[str, str] | str | None,
    api_key: str | None,
    base_url: str,
    priority: int,
    weight: int,
    webhook_secret: str | None,
    *,
    no_check: bool,
    same_account: bool,
    as_json: bool,
) -> None:
    """Add a Kling account.

    Without --key and --api-key it asks for 'AK|SK'. Its keys are tried first, for free, by asking
    Kling for a task that does not exist; if Kling does not take them, nothing is written. An
    account that is a channel already is refused with that channel's name: one key is the same, or
    the new ones see a task of it.
    """
    url = _base_url(base_url)
    new = read_keys(key, api_key, webhook_secret, is_asking=True)

    async def work(session: AsyncSession, actor: Actor) -> Channel:
        from relay.desk.channels import add_channel

        return await add_channel(
            session,
            actor,
            database.keys,
            name=name,
            base_url=url,
            channel_keys=new,
            priority=priority,
            weight=weight,
            may_be_same=same_account,
            is_sandbox=is_sandbox,
        )

    is_sandbox = False
    with open_database() as database:
        if not no_check:
            refuse_bad(probe(url, new))
            if not same_account:
                refuse_same_account(database, url, new)
            is_sandbox = leads_to_sandbox(url)
        row = database.act(work)
    if is_sandbox:
        note("A sandbox stands there: what it does not find, it does not have.")
    if url.startswith("http://"):
        note("Its base URL is plain http: right for a sandbox, not for keys that cost money.")
    _show(row, as_json=as_json)


@channel.command("list")
@click.option("--removed", is_flag=True, help="And those that were removed.")
@json_option
def list_channels(*, removed: bool, as_json: bool) -> None:
    """List channels in the order they are tried, without their keys."""

    async def work(session: AsyncSession) -> list[Channel]:
        from relay.channels.read import read_rows

        return await read_rows(session, with_removed=removed)

    with open_database() as database:
        rows = database.read(work)
    if as_json:
        print_json([described(row) for row in rows])
    else:
        _print(rows)


@channel.command("set")
@click.argument("name", help="The channel's name.")
@key_option
@api_key_option
@webhook_secret_option
@click.option("--base-url", metavar="URL", help="Another host.")
@click.option("--priority", type=PRIORITY, help="Higher is tried first.")
@click.option("--weight", type=WEIGHT, help="Share among channels of one priority.")
@click.option("--rename", type=Name(), metavar="NAME", help="A new name.")
@no_check_option
@same_account_option
@json_option
@examples(
    "relay channel set main --key -           # a new pair, asked for",
    "relay channel set main --priority 10",
)
def set_channel(
    name: str,
    key: tuple[str, str] | str | None,
    api_key: str | None,
    webhook_secret: str | None,
    base_url: str | None,
    priority: int | None,
    weight: int | None,
    rename: str | None,
    *,
    no_check: bool,
    same_account: bool,
    as_json: bool,
) -> None:
    """Change a channel; what is not named stays.

    New keys, and old ones at a new host, are tried first as in `add`. Keys must stay those of the
    same Kling account: its running tasks are asked for with them.
    """
    from relay.channels.directory import read_channels
    from relay.desk.channels import ChannelChanges
    from relay.desk.find import channel_named

    given = (key, api_key, webhook_secret, base_url, priority, weight, rename)
    if all(option is None for option in given):
        raise click.UsageError("Say what to change, such as --key - or --priority 10.")
    url = None if base_url is None else _base_url(base_url)
    new = read_keys(key, api_key, webhook_secret, is_asking=False)

    async def to_try(session: AsyncSession) -> tuple[str, ChannelKeys]:
        row = await channel_named(session, name)
        if url is None:
            return row.base_url, new
        opened = await read_channels(session, database.keys)
        return url, _merged(next(one for one in opened if one.id == row.id), new)

    with open_database() as database:
        is_sandbox = False
        has_new_key = new.access_key is not None or new.api_key is not None
        if not no_check and (url is not None or has_new_key):
            at, tried = database.read(to_try)
            refuse_bad(probe(at, tried))
            if not same_account:
                refuse_same_account(database, at, tried, but=name)
            is_sandbox = url is not None and leads_to_sandbox(url)
        changes = ChannelChanges(
            base_url=url,
            priority=priority,
            weight=weight,
            rename=rename,
            is_sandbox=is_sandbox,
            keys=new,
        )
        row = database.act(_change(database, name, changes, may_be_same=same_account))
    _show(row, as_json=as_json)


@channel.command()
@click.argument("name", help="The channel's name.")
@json_option
def enable(name: str, *, as_json: bool) -> None:
    """Give a channel new tasks again."""
    from relay.desk.channels import ChannelChanges

    with open_database() as database:
        row = database.act(_change(database, name, ChannelChanges(enabled=True)))
    _show(row, as_json=as_json)


@channel.command()
@click.argument("name", help="The channel's name.")
@json_option
def disable(name: str, *, as_json: bool) -> None:
    """Give a channel no new tasks within 2 seconds; its running ones are still asked for."""
    from relay.desk.channels import ChannelChanges

    with open_database() as database:
        row = database.act(_change(database, name, ChannelChanges(enabled=False)))
    _show(row, as_json=as_json)


@channel.command()
@click.argument("name", help="The channel's name.")
@sure_option
@json_option
@examples(
    "relay channel disable main     # no new tasks, while its last ones end",
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
    _show(row, as_json=as_json)


def _change(
    database: Database, name: str, changes: ChannelChanges, *, may_be_same: bool = False
) -> Callable[[AsyncSession, Actor], Coroutine[Any, Any, Channel]]:
    async def work(session: AsyncSession, actor: Actor) -> Channel:
        from relay.desk.channels import change_channel

        return await change_channel(
            session, actor, database.keys, name, changes, may_be_same=may_be_same
        )

    return work


def _base_url(text: str) -> str:
    from relay.channels.checks import normalised_base_url

    try:
        return normalised_base_url(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--base-url'") from error


def _merged(old: OpenedChannel, new: ChannelKeys) -> ChannelKeys:
    """Put new keys in place of old ones: what the channel will hold."""
    from relay.desk.channels import ChannelKeys

    return ChannelKeys(
        access_key=new.access_key or old.access_key,
        secret_key=new.secret_key or old.secret_key,
        api_key=new.api_key or old.api_key,
    )


def _show(row: Channel, *, as_json: bool) -> None:
    if as_json:
        print_json(described(row))
    else:
        _print([row])


def _print(rows: list[Channel]) -> None:
    columns = ["channel", "enabled", ">priority", ">weight", "base URL", "access key", "API key"]
    print_table(
        [*columns, "webhook secret", "last callback", "lookup"],
        [
            (
                row.name,
                yes_no(row.enabled),
                str(row.priority),
                str(row.weight),
                row.base_url,
                shortened(row.access_key) or "-",
                yes_no(row.api_key_sealed),
                yes_no(row.webhook_secret_sealed),
                moment(row.callback_at),
                lookup_word(row),
            )
            for row in rows
        ],
        empty="There are no channels yet: `relay channel add NAME --base-url URL` adds one.",
    )
