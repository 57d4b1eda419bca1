"""`relay alert`: who is told when something is wrong, and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.alert_rows import print_alerts
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import ID, Number
from relay.cli.secret_input import read_key
from relay.cli.show import json_option, moment, note, print_json
from relay.cli.window import Later

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.alerts.places import OpenedPlace
    from relay.alerts.read import Standing
    from relay.desk.actor import Actor
    from relay.desk.alerts import ListedPlace

LEAST = ("page", "ticket")
SEEN = "within a minute"


@click.group()
def alert() -> None:
    """See what is wrong, and say who is told of it.

    A worker judges the rules each minute, and sends what is new and what is over to each place.
    """


@alert.command("list")
@json_option
@examples(
    "relay alert list", "relay alert list --json | jq '.rules[] | select(.state == \"firing\")'"
)
def list_command(*, as_json: bool) -> None:
    """List the rules with their states, those that fire first, and the places."""

    async def work(session: AsyncSession) -> Standing:
        from relay.alerts.read import read_alerts

        return await read_alerts(session)

    with open_database() as database:
        found = database.read(work)
    if as_json:
        print_json(found)
    else:
        print_alerts(found)


@alert.command()
@click.argument("url", help="Its address; `-` asks for it, or reads it from stdin.")
@click.option(
    "--least",
    type=click.Choice(LEAST),
    default="ticket",
    show_default=True,
    help="The least severity that goes there: page is what somebody is to be woken for.",
)
@json_option
@examples(
    "relay alert add 'https://open.feishu.cn/open-apis/bot/v2/hook/…'",
    "relay alert add dingtalk://SECRET@TOKEN --least page",
    "relay alert add wecombot://KEY",
    "relay alert add tgram://BOT_TOKEN/CHAT_ID --least page",
    "relay alert add 'mailtos://USER:PASSWORD@smtp.example.com?to=ops@example.com'",
    "relay alert add jsons://hooks.example.com/relay; relay alert test",
)
def add(url: str, least: str, *, as_json: bool) -> None:
    """Have messages sent to one more place.

    Feishu, Lark, DingTalk, WeCom, Telegram, mail, or a webhook. Addresses of bots may be given as
    their makers show them. It is kept sealed; lists show its scheme and host.
    """
    given = read_key(url, "its address") or ""
    _refuse_unusable(given)

    async def work(session: AsyncSession, actor: Actor) -> ListedPlace:
        from relay.alerts.tables import Severity
        from relay.desk.alerts import add_place

        return await add_place(session, actor, given, database.keys, least=Severity(least))

    with open_database() as database:
        _refuse_other_keys(database)
        added = database.act(work)
    if as_json:
        print_json(added)
    else:
        what = "what pages" if least == "page" else "all of it"
        click.echo(f"place {added.id}, {added.shown}, gets {what}; `relay alert test` tries it")


@alert.command()
@click.argument("id", type=ID, help="The place, as `list` shows it.")
def remove(id: int) -> None:  # noqa: A002 (click)
    """Send nothing to a place any more; what waits for it is dropped."""

    async def work(session: AsyncSession, actor: Actor) -> str:
        from relay.desk.alerts import remove_place

        return await remove_place(session, actor, id)

    with open_database() as database:
        shown = database.act(work)
    click.echo(f"nothing goes to place {id}, {shown}, any more")


@alert.command()
@json_option
def test(*, as_json: bool) -> None:
    """Send a message to each place, now and from here, and say which arrived.

    Exit code 1 if one did not.
    """
    import asyncio

    from relay.alerts.send import send_test
    from relay.desk.voice import voice_of

    async def work(session: AsyncSession) -> list[OpenedPlace]:
        from relay.alerts.places import open_places

        return await open_places(session, database.keys)

    with open_database() as database:
        places = database.read(work)
        voice = voice_of(database.settings)
    if not places:
        raise Failure("there is no place to send to: `relay alert add URL` adds one")
    note(f"sending to {len(places)}, each for at most 20 seconds …")
    reasons = asyncio.run(send_test(places, voice))
    if as_json:
        print_json(
            [
                {"id": place.id, "shown": place.shown, "arrived": why is None, "why_not": why}
                for place, why in zip(places, reasons, strict=True)
            ]
        )
    else:
        for place, why in zip(places, reasons, strict=True):
            click.echo(f"{place.id}  {place.shown}  {'arrived' if why is None else f'no: {why}'}")
    failed = sum(why is not None for why in reasons)
    if failed:
        raise Failure(f"{failed} of {len(places)} did not arrive")


@alert.command()
@click.argument("rule", help="As `list` names it.")
@click.option(
    "--until",
    type=Later(),
    required=True,
    metavar="MOMENT",
    help="When it speaks again, such as 2h.",
)
@examples("relay alert mute channel-parked --until 2h", "relay alert unmute channel-parked")
def mute(rule: str, until: datetime) -> None:
    """Send nothing of a rule for a while; what is so at the end is told then."""
    _mute(rule, until)
    click.echo(f"nothing is sent of {rule} until {moment(until)}; its state goes on")


@alert.command()
@click.argument("rule", help="As `list` names it.")
def unmute(rule: str) -> None:
    """Let a rule speak again."""
    _mute(rule, None)
    click.echo(f"{rule} speaks again, {SEEN}")


@alert.command("set")
@click.argument("rule", help="As `list` names it.")
@click.option("--above", type=Number(least=0), help="It fires above this.")
@click.option("--below", type=Number(least=0), help="Of units-low and tenant-empty: below this.")
@click.option(
    "--pause", type=click.IntRange(0), metavar="MINUTES", help="Least time between two messages."
)
@click.option("--default", "is_default", is_flag=True, help="All that is not given as it was made.")
@examples(
    "relay alert set outcome-unknown --above 90",
    "relay alert set units-low --below 7 --pause 720",
    "relay alert set units-low --default",
)
def set_command(
    rule: str,
    above: Decimal | None,
    below: Decimal | None,
    pause: int | None,
    *,
    is_default: bool,
) -> None:
    """Change what a rule compares with, or how long it is silent after a message."""
    from relay.alerts.rules import BY_NAME

    found = BY_NAME.get(rule)
    bound = above if above is not None else below
    if bound is None and pause is None and not is_default:
        raise click.UsageError("Say what: --above, --below, --pause or --default.")
    if above is not None and below is not None:
        raise click.UsageError("A rule fires above something or below it.")
    if found is not None and found.bound is not None and bound is not None:
        is_least = below is not None
        if is_least != found.bound.is_least:
            raise click.UsageError(
                f"{rule} fires {found.bound.word} something: --{found.bound.word} N."
            )

    async def work(session: AsyncSession, actor: Actor) -> None:
        from relay.desk.alerts import change_rule

        await change_rule(
            session,
            actor,
            rule,
            bound=bound,
            pause_s=None if pause is None else 60 * pause,
            is_default=is_default,
        )

    with open_database() as database:
        database.act(work)
    click.echo(f"{rule} is judged by that {SEEN}")


def _mute(rule: str, until: datetime | None) -> None:
    async def work(session: AsyncSession, actor: Actor) -> None:
        from relay.desk.alerts import mute_rule

        await mute_rule(session, actor, rule, until=until)

    with open_database() as database:
        database.act(work)


def _refuse_unusable(url: str) -> None:
    from relay.alerts.places import PlaceUnusable, read_place
    from relay.alerts.send import CannotSend, check_sender

    try:
        check_sender(read_place(url))
    except PlaceUnusable as error:
        raise click.UsageError(f"Nothing can be sent there: {error}.") from error
    except CannotSend as error:
        raise Failure(str(error)) from error


def _refuse_other_keys(database: Any) -> None:
    from relay.cli.database import refuse_other_keys

    refuse_other_keys(database)
