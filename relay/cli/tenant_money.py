"""`relay tenant topup` and `adjust`: what changes a quota by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import Name, SignedAmount, Words
from relay.cli.show import fields_of, json_option, note, print_json
from relay.cli.tenant_rows import print_tenants, read_tenant, show_tenant
from relay.cli.window import OneMonth
from relay.money import decimal_of, money

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.shown import ShownTenant
    from relay.months import Month

NEGATIVE = {"ignore_unknown_options": True}
"""So that -5 is an amount, not an option."""


@click.command(context_settings=NEGATIVE)
@click.argument("name", help="The tenant's name.")
@click.argument("amount", type=SignedAmount(), help="How much; of a correction also below 0.")
@click.option(
    "--ref",
    "reference",
    required=True,
    type=Name("reference"),
    help="Your own reference of the payment; the same one twice adds nothing.",
)
@click.option(
    "--kind",
    type=click.Choice(["paid", "bonus", "correction"]),
    default="paid",
    show_default=True,
    help="What for: it was paid, is a gift, or corrects an earlier top-up.",
)
@click.option("--reason", type=Words("reason"), help="Kept with the entry for ever.")
@json_option
@examples(
    "relay tenant topup acme 250 --ref invoice-2026-117",
    "relay tenant topup acme 5 --kind bonus --ref welcome-acme",
    "relay tenant topup acme -225 --kind correction --ref invoice-2026-117-was-25",
)
def topup(
    name: str, amount: int, reference: str, kind: str, reason: str | None, *, as_json: bool
) -> None:
    """Add quota that was sold or given, once per reference."""
    if amount < 0 and kind != "correction":
        raise click.UsageError(
            f"{decimal_of(amount)} must be more than 0: what takes away is --kind correction,"
            " or `relay tenant adjust`."
        )

    async def work(session: AsyncSession, actor: Actor) -> tuple[bool, ShownTenant]:
        from relay.desk.money import add_quota
        from relay.ledger.tables import TopupKind

        is_added = await add_quota(
            session,
            actor,
            name,
            amount_micros=amount,
            reference=reference,
            currency=currency,
            kind=TopupKind(kind),
            reason=reason,
        )
        return is_added, await read_tenant(session, name, database.settings)

    with open_database() as database:
        currency = database.settings.currency
        added, pair = database.act(work)
    if not added:
        note(f"'{reference}' was already used to add {money(amount, currency)}: added nothing.")
    if as_json:
        print_json(
            {"added_micros": amount if added else 0, "reference": reference, "kind": kind}
            | fields_of(pair)
        )
    else:
        print_tenants([pair], currency)


@click.command(context_settings=NEGATIVE)
@click.argument("name", help="The tenant's name.")
@click.argument(
    "amount", type=SignedAmount(), metavar="±AMOUNT", help="What to add; below 0 it is taken away."
)
@click.option("--reason", required=True, type=Words("reason"), help="Kept with the entry for ever.")
@click.option(
    "--storage",
    type=OneMonth(),
    metavar="YYYY-MM",
    help="It gives back of what that month of its files was charged, on invoices too.",
)
@json_option
@examples(
    "relay tenant adjust acme -5 --reason 'entered twice'",
    "relay tenant adjust acme 2.5 --reason 'for the outage'",
    "relay tenant adjust acme 0.4 --storage 2026-10 --reason 'files of a test'",
)
def adjust(name: str, amount: int, reason: str, storage: Month | None, *, as_json: bool) -> None:
    """Correct a quota, up or down; it may fall below zero."""

    async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
        from relay.desk.money import adjust_quota

        await adjust_quota(
            *(session, actor, name),
            amount_micros=amount,
            reason=reason,
            currency=currency,
            storage=storage,
        )
        return await read_tenant(session, name, database.settings)

    with open_database() as database:
        currency = database.settings.currency
        pair = database.act(work)
    show_tenant(pair, currency, as_json=as_json)
