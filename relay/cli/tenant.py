"""`relay tenant`: who pays us, and what is left of what they paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.asset_options import asset_options, read_kept
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import Amount, Name, Words
from relay.cli.queue_options import queue_options
from relay.cli.show import json_option, note, print_json
from relay.cli.sure import ask, sure_option
from relay.cli.tenant_money import adjust, topup
from relay.cli.tenant_open import open_command
from relay.cli.tenant_options import (
    factor_option,
    multiplier_option,
    number,
    price_group_option,
    tasks_max_option,
    unless_none,
)
from relay.cli.tenant_portal import link, log_out
from relay.cli.tenant_rows import print_tenants, read_tenant, show_tenant
from relay.cli.webhook_secret import webhook_secret

if TYPE_CHECKING:
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.shown import ShownTenant
    from relay.desk.tenants import TenantChanges


@click.group()
def tenant() -> None:
    """Open, limit and top up tenants' accounts."""


for command in (open_command, topup, adjust, webhook_secret, link, log_out):
    tenant.add_command(command)


@tenant.command()
@click.argument("name", type=Name(), help="Its name, for you and for `relay` commands.")
@click.option(
    "--quota",
    type=Amount(least=0),
    default="0",
    metavar="AMOUNT",
    help="What it may spend, in the relay's currency; entered as a top-up that was paid.",
)
@multiplier_option
@price_group_option
@tasks_max_option
@click.option(
    "--parent",
    metavar="NAME",
    help="Open it below this tenant: that one's account pays by that one's prices, and this one"
    " is told its own. It is called NAME/ before its name.",
)
@factor_option
@json_option
@examples(
    "relay tenant add acme --quota 100",
    "relay tenant add acme --quota 100 --multiplier 1.2 --tasks-max 20",
    "relay tenant add acme --quota 100 --price-group resellers",
    "relay tenant add eu --parent acme --factor 1.3     # called acme/eu",
)
def add(
    name: str,
    quota: int,
    multiplier: Decimal | str | None,
    price_group: str | None,
    tasks_max: int | str | None,
    parent: str | None,
    factor: Decimal | None,
    *,
    as_json: bool,
) -> None:
    """Add a tenant and open its account, or a tenant below another one."""
    if parent is None and factor is not None:
        raise click.UsageError("Say --parent, whose prices the factor is of.")
    if parent is not None and (quota or any((multiplier, price_group, tasks_max))):
        raise click.UsageError(
            f"The account and the prices are those of '{parent}': set them there."
        )

    async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
        from decimal import Decimal

        from relay.desk.sub_tenants import open_sub_tenant
        from relay.desk.tenants import open_tenant

        if parent is not None:
            times = Decimal(1) if factor is None else factor
            opened = await open_sub_tenant(session, actor, parent, name, resale=times)
            return await read_tenant(session, opened.name, database.settings)
        await open_tenant(
            session,
            actor,
            name,
            quota_micros=quota,
            currency=currency,
            multiplier=number(multiplier),
            price_group=unless_none(price_group),
            tasks_max=tasks_max if isinstance(tasks_max, int) else None,
        )
        return await read_tenant(session, name, database.settings)

    with open_database() as database:
        currency = database.settings.currency
        pair = database.act(work)
    show_tenant(pair, currency, as_json=as_json)
    _note_nothing(name, multiplier)
    note(f"Next: `relay token add {pair.name}` makes its keys.")


@tenant.command("list")
@click.option("--removed", is_flag=True, help="And those that were removed.")
@json_option
def list_tenants(*, removed: bool, as_json: bool) -> None:
    """List tenants with their accounts."""

    async def work(session: AsyncSession) -> list[ShownTenant]:
        from relay.desk.shown import read_shown_tenants

        return await read_shown_tenants(
            session, zone=database.settings.zone, currency=currency, with_removed=removed
        )

    with open_database() as database:
        currency = database.settings.currency
        found = database.read(work)
    if as_json:
        print_json(found)
    else:
        print_tenants(found, currency)


@tenant.command("show")
@click.argument("name", help="The tenant's name.")
@json_option
def show_one(name: str, *, as_json: bool) -> None:
    """Show a tenant with all that is set of it; its limits: `relay limit list NAME`."""
    with open_database() as database:
        found = database.read(lambda session: read_tenant(session, name, database.settings))
        currency = database.settings.currency
    show_tenant(found, currency, as_json=as_json)


@tenant.command("set")
@click.argument("name", help="The tenant's name.")
@multiplier_option
@price_group_option
@tasks_max_option
@factor_option
@click.option(
    "--show-quote/--no-show-quote",
    default=None,
    help="Whether answers to its creates tell the quoted price in a header, x-relay-quote.",
)
@click.option(
    "--join-retries/--no-join-retries",
    default=None,
    help="Whether a create like one whose answer nobody heard, within 10 minutes, is answered by"
    " that one's task, and not charged again.",
)
@click.option(
    "--lint/--no-lint",
    default=None,
    help="Whether its creates are judged by Kling's documents first: what they forbid is refused"
    " with the field's name, before anything is held and Kling is asked.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="Served by channels of this group alone; again for more, `all` for all.",
)
@queue_options
@asset_options
@click.option(
    "--contact",
    type=Words("contact"),
    help="Who is written to about it: a name, a mail, a number; none for nobody.",
)
@click.option(
    "--notes",
    help="What you want to remember of it, which it never reads; none for nothing.",
)
@click.option(
    "--credit",
    "credit_micros",
    type=Amount(least=0),
    metavar="AMOUNT",
    help="How far below zero its creates may take its account; 0 is none. Needs --reason.",
)
@click.option("--reason", type=Words("reason"), help="Why it has that credit; kept for ever.")
@json_option
@examples(
    "relay tenant set acme --multiplier 1.2      # list price times 1.2, from the next task on",
    "relay tenant set acme --tasks-max 20",
    "relay tenant set acme --tasks-max none",
    "relay tenant set acme --price-group resellers --multiplier none",
    "relay tenant set acme --show-quote",
    "relay tenant set acme --lint                # what Kling forbids, before a hold",
    "relay tenant set acme --group eu --group spare",
    "relay tenant set acme --queue 8m --queue-weight 2",
    "relay tenant set acme --keep-results 90 --keep-gb 50 --result-urls ours",
    "relay tenant set acme --credit 500 --reason 'pays by the month'",
    "relay tenant set acme/eu --factor 1.4",
)
def set_tenant(
    name: str,
    multiplier: Decimal | str | None,
    price_group: str | None,
    tasks_max: int | str | None,
    factor: Decimal | None,
    groups: tuple[str, ...],
    queue_s: int | None,
    queue_weight: int | None,
    room_min: int | None,
    keep_results_days: int | str | None,
    asset_bytes_max: int | str | None,
    asset_gb_month: int | str | None,
    result_urls: str | None,
    contact: str | None,
    notes: str | None,
    credit_micros: int | None,
    reason: str | None,
    *,
    show_quote: bool | None,
    join_retries: bool | None,
    lint: bool | None,
    as_json: bool,
) -> None:
    """Change what a tenant pays, may and is told; running tasks keep their quote."""
    waits = (queue_s, queue_weight, room_min)
    money = (multiplier, price_group, tasks_max, factor, credit_micros)
    kept = read_kept(keep_results_days, asset_bytes_max, asset_gb_month, result_urls)
    given = (*money, show_quote, join_retries, lint, *waits, contact, notes, *kept)
    if all(one is None for one in given) and not groups:
        raise click.UsageError("Say what to change, such as --multiplier 1.2 or --tasks-max 20.")
    if (credit_micros is None) != (reason is None):
        raise click.UsageError("--credit and --reason go together.")

    from msgspec import UNSET

    from relay.desk.tenants import TenantChanges

    limit = tasks_max if isinstance(tasks_max, int) else None
    changes = TenantChanges(
        multiplier=UNSET if multiplier is None else number(multiplier),
        price_group=UNSET if price_group is None else unless_none(price_group),
        tasks_max=UNSET if tasks_max is None else limit,
        resale=UNSET if factor is None else factor,
        shows_quote=UNSET if show_quote is None else show_quote,
        joins_retries=UNSET if join_retries is None else join_retries,
        lints_creates=UNSET if lint is None else lint,
        queue_s=UNSET if queue_s is None else queue_s or None,
        queue_weight=UNSET if queue_weight is None else queue_weight,
        room_min=UNSET if room_min is None else room_min,
        contact=UNSET if contact is None else unless_none(contact),
        notes=UNSET if notes is None else unless_none(notes),
        **kept,
        groups=(None if groups == ("all",) else list(groups)) if groups else UNSET,
    )
    _change(name, changes, credit=(credit_micros, reason), as_json=as_json)
    _note_nothing(name, multiplier)


@tenant.command()
@click.argument("name", help="The tenant's name.")
@json_option
def enable(name: str, *, as_json: bool) -> None:
    """Let a disabled tenant in again."""
    from relay.desk.tenants import TenantChanges

    _change(name, TenantChanges(enabled=True), as_json=as_json)


@tenant.command()
@click.argument("name", help="The tenant's name.")
@json_option
def disable(name: str, *, as_json: bool) -> None:
    """Refuse all requests of a tenant within 2 seconds; its running tasks still end and settle."""
    from relay.desk.tenants import TenantChanges

    _change(name, TenantChanges(enabled=False), as_json=as_json)


@tenant.command()
@click.argument("name", help="The tenant's name.")
@click.argument("new_name", type=Name(), help="Its name from now on.")
@json_option
@examples("relay tenant rename acme acme-europe")
def rename(name: str, new_name: str, *, as_json: bool) -> None:
    """Call a tenant something else; it notices nothing. All that happened goes with the new name.

    What was done to it under the old one, `relay changes list` finds by both.
    """
    from relay.desk.tenants import TenantChanges

    _change(name, TenantChanges(name=new_name), as_json=as_json)


@tenant.command()
@click.argument("name", help="The tenant's name.")
@sure_option
@json_option
@examples("relay tenant disable acme     # lets its running tasks end", "relay tenant remove acme")
def remove(name: str, *, is_sure: bool, as_json: bool) -> None:
    """Shut a tenant out for good, and revoke its tokens; its name is free again.

    Refused while it has tenants below it, tasks of it are not over, callbacks are to be made or
    quota is left. Its tasks, entries and changes stay, and name it.
    """
    ask(f"Remove tenant '{name}' for good, with its tokens?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
        from relay.desk.tenants import remove_tenant

        removed = await remove_tenant(session, actor, name)
        return await read_tenant(session, removed.name, database.settings)

    with open_database() as database:
        pair = database.act(work)
        currency = database.settings.currency
    show_tenant(pair, currency, as_json=as_json)


def _note_nothing(name: str, multiplier: Decimal | str | None) -> None:
    if multiplier == 0:
        note(
            f"Warning: with a multiplier of 0 all that is priced in units costs {name} nothing,"
            " and Kling still charges you."
        )


def _change(
    name: str,
    changes: TenantChanges,
    *,
    credit: tuple[int | None, str | None] = (None, None),
    as_json: bool,
) -> None:
    async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
        from relay.desk.money import set_credit
        from relay.desk.tenants import change_tenant

        credit_micros, reason = credit
        if credit_micros is not None and reason is not None:
            await set_credit(session, actor, name, credit_micros=credit_micros, reason=reason)
        changed = await change_tenant(session, actor, name, changes)
        return await read_tenant(session, changed.name, database.settings)

    with open_database() as database:
        pair = database.act(work)
        currency = database.settings.currency
    show_tenant(pair, currency, as_json=as_json)
