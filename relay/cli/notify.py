"""`relay notify`: where tenants are told of their quota, limits, keys, prices and statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import ID, Amount
from relay.cli.secret_input import read_key
from relay.cli.show import json_option, moment, note, print_json, print_table, printable
from relay.money import decimal_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.notices import NewPlace
    from relay.notices.events import Event
    from relay.notices.outgoing import Outgoing
    from relay.notices.read import ListedNotice, ListedPlace
    from relay.secrets import KeyRing
    from relay.settings import Settings

    Tests = list[tuple[Outgoing, list[str]]]

IS_DUE = "it is due again"
KINDS = ("webhook", "mail", "feishu", "dingtalk", "wecom")
SHOWN = 20
"""Notices of a list for people."""


@click.group()
def notify() -> None:
    """Say where tenants are told of their business: mail, a group's bot, or a signed webhook.

    A worker looks each half minute for what is so, and tells each thing once: quota that is low or
    used up, limits at 50, 80 and 100 %, keys that end, prices that change, statements that are
    ready, refunds, and pauses.
    """


@notify.command()
@click.argument("tenant", help="The tenant's name.")
@click.option("--webhook", metavar="URL", help="A server of the tenant's; signed as callbacks are.")
@click.option("--mail", metavar="ADDRESS", help="By the mail server of RELAY_MAIL_URL.")
@click.option("--feishu", metavar="URL", help="A bot's address, as Feishu or Lark shows it.")
@click.option("--dingtalk", metavar="URL", help="As DingTalk shows it, or dingtalk://SECRET@TOKEN.")
@click.option("--wecom", metavar="URL", help="A bot's address, as WeCom shows it.")
@click.option(
    "--lang",
    type=click.Choice(("zh", "en")),
    default="zh",
    show_default=True,
    help="In which language.",
)
@click.option(
    "--events",
    metavar="NAMES",
    help="Only of these, with commas between them, such as quota.low,limit.near.",
)
@click.option(
    "--low",
    type=Amount(least=0),
    metavar="AMOUNT",
    help="quota.low is told when less is left than that; by default, than the last 24 hours cost.",
)
@json_option
@examples(
    "relay notify add acme --mail ops@acme.example --low 50",
    "relay notify add acme --feishu 'https://open.feishu.cn/open-apis/bot/v2/hook/…' --lang zh",
    "relay notify add acme --dingtalk -      # asks for it: what stands here, others can read",
    "relay notify add acme --webhook https://acme.example/hook --events quota.low,task.refunded",
    "relay notify test acme",
)
def add(
    tenant: str,
    lang: str,
    events: str | None,
    low: int | None,
    *,
    as_json: bool,
    **given: str | None,
) -> None:
    """Have a tenant told at one more place, from now on.

    What is so by now is not told to it; what is still to come is. Its address is kept sealed. A
    tenant may do the same itself, with a key of scope manage.
    """
    places = [(kind, given[kind]) for kind in KINDS if given[kind] is not None]
    if len(places) != 1:
        raise click.UsageError("Say one place: --webhook, --mail, --feishu, --dingtalk or --wecom.")
    ((kind, value),) = places
    wanted = _wanted(kind, read_key(value, "its address") or "", lang, events, low)

    async def work(session: AsyncSession, actor: Actor) -> ListedPlace:
        from relay.desk.notices import add_notice_place

        return await add_notice_place(
            session, actor, tenant, wanted, database.keys, settings=database.settings
        )

    with open_database() as database:
        _refuse_unsendable(wanted, database.settings)
        added = database.act(work)
    if as_json:
        print_json(added)
    else:
        click.echo(
            f"place {added.id}: {added.tenant} is told by {added.kind.value} at {added.shown};"
            f" `relay notify test {added.tenant}` tries it"
        )


@notify.command("list")
@click.argument("tenant", required=False, help="Only this tenant's.")
@json_option
def list_command(tenant: str | None, *, as_json: bool) -> None:
    """List the places, and what was told there lately, with what did not arrive."""

    async def work(session: AsyncSession) -> tuple[list[ListedPlace], list[ListedNotice]]:
        from relay.desk.find import tenant_named
        from relay.notices.read import NoticeFilter, list_notices, list_places

        tenant_id = None if tenant is None else (await tenant_named(session, tenant)).id
        return (
            await list_places(session, tenant_id=tenant_id),
            await list_notices(session, NoticeFilter(tenant_id=tenant_id)),
        )

    with open_database() as database:
        places, notices = database.read(work)
    if as_json:
        print_json({"places": places, "notices": notices})
        return
    _print_places(places)
    if notices:
        click.echo()
        _print_notices(notices[:SHOWN])


@notify.command()
@click.argument("id", type=ID, help="The place, as `list` shows it.")
def remove(id: int) -> None:  # noqa: A002 (click)
    """Tell nothing at a place any more; what waits for it is dropped."""

    async def work(session: AsyncSession, actor: Actor) -> str:
        from relay.desk.notices import remove_notice_place

        return await remove_notice_place(session, actor, id)

    with open_database() as database:
        shown = database.act(work)
    click.echo(f"nothing is told at place {id}, {shown}, any more")


@notify.command()
@click.argument("tenant", help="The tenant's name.")
@json_option
def test(tenant: str, *, as_json: bool) -> None:
    """Send a message to each place of a tenant, now and from here, and say which arrived.

    Exit code 1 if one did not.
    """
    import asyncio

    async def work(session: AsyncSession) -> Tests:
        from relay.deliveries.signature import read_secrets
        from relay.desk.find import tenant_to_act_on
        from relay.notices.outgoing import read_tests

        tenant_id = (await tenant_to_act_on(session, tenant)).id
        secrets = await read_secrets(session, tenant_id, database.keys)
        return [(one, secrets) for one in await read_tests(session, tenant_id=tenant_id)]

    with open_database() as database:
        tests = database.read(work)
        settings, keys = database.settings, database.keys
    if not tests:
        raise Failure(f"{tenant} has no place to send to: `relay notify add {tenant}` adds one")
    note(f"sending to {len(tests)}, each for at most 20 seconds …")
    reasons = asyncio.run(_send_all(tests, settings, keys))
    tried = list(zip((one for one, _ in tests), reasons, strict=True))
    if as_json:
        print_json(
            [
                {"id": one.place_id, "shown": one.shown, "arrived": not why, "why_not": why}
                for one, why in tried
            ]
        )
    else:
        for one, why in tried:
            click.echo(f"{one.place_id}  {one.shown}  {'arrived' if not why else f'no: {why}'}")
    failed = sum(why is not None for why in reasons)
    if failed:
        raise Failure(f"{failed} of {len(tests)} did not arrive")


@notify.command()
@click.argument("id", type=ID, help="The notice, as `list` shows it.")
@json_option
@examples("relay notify replay 12")
def replay(id: int, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Send a notice again that arrived or was given up: the same words, the same webhook-id."""

    async def work(session: AsyncSession, actor: Actor) -> ListedNotice:
        from relay.desk.notices import replay_notice

        return await replay_notice(session, actor, id)

    with open_database() as database:
        replayed = database.act(work)
    if as_json:
        print_json(replayed)
    else:
        click.echo(f"notice {replayed.id}: {IS_DUE}")


async def _send_all(tests: Tests, settings: Settings, keys: KeyRing) -> list[str | None]:
    import asyncio

    from relay.deliveries.guard import CallbackGuard
    from relay.deliveries.send import Sender
    from relay.notices.outgoing import send_message

    sender = Sender(CallbackGuard(settings.callback_networks))
    try:
        tried = await asyncio.gather(
            *(
                send_message(one, secrets, sender=sender, keys=keys, settings=settings)
                for one, secrets in tests
            )
        )
    finally:
        await sender.aclose()
    return [one.error for one in tried]


def _wanted(kind: str, to: str, lang: str, events: str | None, low: int | None) -> NewPlace:
    from relay.desk.notices import NewPlace
    from relay.notices.tables import Lang, PlaceKind

    return NewPlace(
        kind=PlaceKind(kind),
        to=to,
        lang=Lang(lang),
        events=None if events is None else _events(events),
        low_micros=low,
    )


def _refuse_unsendable(wanted: NewPlace, settings: Settings) -> None:
    """See whether what sends mail and to bots is here, and can read the address, too."""
    from relay.alerts.places import PlaceUnusable
    from relay.alerts.send import CannotSend, check_sender
    from relay.notices.places import Means, mail_to, read_address
    from relay.notices.tables import PlaceKind

    if wanted.kind is PlaceKind.WEBHOOK:
        return
    try:
        url = read_address(wanted.kind, wanted.to, Means.of(settings))
        check_sender(
            mail_to(settings.mail_url or "", url) if wanted.kind is PlaceKind.MAIL else url
        )
    except PlaceUnusable as error:
        why = str(error).rstrip(".")
        raise click.UsageError(f"Nothing can be sent there: {why}.") from error
    except CannotSend as error:
        raise Failure(str(error)) from error


def _events(names: str) -> list[Event]:
    from relay.notices.events import WANTED, Event

    try:
        return [Event(name.strip()) for name in names.split(",")]
    except ValueError:
        raise click.UsageError(f"Events are {', '.join(WANTED)}.") from None


def _print_places(places: list[ListedPlace]) -> None:
    print_table(
        [
            *(">place", "tenant", "by", "where", "lang", "of", ">low below"),
            *("last arrived", ">due", ">dead", "trouble", "added by"),
        ],
        [
            (
                str(one.id),
                one.tenant,
                one.kind.value,
                one.shown,
                one.lang.value,
                "all" if one.events is None else ", ".join(one.events),
                "24 h" if one.low_micros is None else decimal_of(one.low_micros),
                moment(one.sent_at),
                str(one.due),
                str(one.dead),
                printable(one.error or "-"),
                "-" if one.made_by_id is None else f"key {one.made_by_id}",
            )
            for one in places
        ],
        empty="No tenant is told anything: `relay notify add TENANT --mail ADDRESS` adds a place.",
    )


def _print_notices(notices: list[ListedNotice]) -> None:
    print_table(
        [">notice", "tenant", ">place", "event", "state", ">tries", "written", "ended", "trouble"],
        [
            (
                str(one.id),
                one.tenant,
                str(one.place_id),
                one.event.value,
                one.state.value,
                str(one.attempts),
                moment(one.created_at),
                moment(one.ended_at),
                printable(one.error or "-"),
            )
            for one in notices
        ],
        empty="",
    )
