"""`relay code`: codes that are sold or given, and redeemed for quota."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.file_out import put, put_json
from relay.cli.gate_options import MomentOrNone
from relay.cli.parameters import ID, Amount, Name, Words
from relay.cli.secret_input import read_secret
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.sure import ask, sure_option
from relay.money import money

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.codes.read import ListedBatch, ListedCode
    from relay.desk.actor import Actor
    from relay.desk.codes import MadeCode, Redeemed

COUNT_MAX = 10_000


@click.group()
def code() -> None:
    """Make codes that whoever has one redeems for quota, and see what became of them."""


@code.command()
@click.option("--name", required=True, type=Name(), help="Of the batch.")
@click.option(
    "--amount",
    required=True,
    type=Amount(least=0, is_above=True),
    help="What each adds, in the relay's currency.",
)
@click.option(
    "--count", type=click.IntRange(1, COUNT_MAX), default=1, show_default=True, help="Of codes."
)
@click.option(
    "--expires",
    "expires_at",
    required=True,
    type=MomentOrNone(),
    metavar="MOMENT|none",
    help="Not redeemed from then on, such as 2027-01-01, in RELAY_TIMEZONE, or 90d.",
)
@click.option("--bonus", "is_bonus", is_flag=True, help="They are given; else they are sold.")
@click.option("--out", type=click.Path(dir_okay=False), help="A new file, in place of stdout.")
@json_option
@examples(
    "relay code make --name spring --amount 50 --count 20 --expires 2027-01-01 --out spring.csv",
    "relay code make --name welcome --amount 5 --expires 90d --bonus",
)
def make(
    name: str,
    amount: int,
    count: int,
    expires_at: datetime | str,
    out: str | None,
    *,
    is_bonus: bool,
    as_json: bool,
) -> None:
    """Make a batch of codes and show them, this once, as CSV.

    Only their hashes are kept: whoever loses them revokes the batch and makes another one. Each
    becomes a top-up of whoever redeems it, paid or with --bonus a bonus.
    """

    async def work(session: AsyncSession, actor: Actor) -> list[MadeCode]:
        from relay.desk.codes import make_codes
        from relay.ledger.tables import TopupKind

        return await make_codes(
            session,
            actor,
            name,
            amount_micros=amount,
            count=count,
            expires_at=None if isinstance(expires_at, str) else expires_at,
            kind=TopupKind.BONUS if is_bonus else TopupKind.PAID,
            currency=currency,
        )

    with open_database() as database, _reserved(out):
        currency = database.settings.currency
        made = database.act(work)
        _show_made(made, name, currency, out, as_json=as_json)
    note(
        f"Of {money(amount, currency)} each. They are not shown again; `relay code revoke {name}`"
        " ends those that nobody has redeemed."
    )


@code.command("list")
@json_option
def list_batches(*, as_json: bool) -> None:
    """List batches, the newest first, with what became of their codes."""

    async def work(session: AsyncSession) -> list[ListedBatch]:
        from relay.codes.read import list_batches

        return await list_batches(session)

    with open_database() as database:
        currency = database.settings.currency
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        [
            *("batch", "kind", ">codes", ">free", ">redeemed", ">revoked", ">expired"),
            *(">free, in all", ">redeemed, in all", "until", "made"),
        ],
        [
            (
                *(row.name, row.topup_kind, str(row.codes), str(row.free), str(row.redeemed)),
                *(str(row.revoked), str(row.expired)),
                *(money(row.free_micros, currency), money(row.redeemed_micros, currency)),
                "for ever" if row.expires_at is None else moment(row.expires_at),
                moment(row.created_at),
            )
            for row in found
        ],
        empty="There are no codes yet: `relay code make` makes some.",
    )


@code.command()
@click.argument("batch", help="Its name.")
@json_option
def show(batch: str, *, as_json: bool) -> None:
    """Show a batch's codes, by number and last characters, and who redeemed them."""

    async def work(session: AsyncSession) -> list[ListedCode]:
        from relay.codes.read import list_codes
        from relay.desk.codes import batch_named

        return await list_codes(session, (await batch_named(session, batch)).id)

    with open_database() as database:
        currency = database.settings.currency
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        [">code", "ends in", "state", ">amount", "until", "redeemed", "by", ">entry"],
        [
            (
                *(str(row.id), row.hint, row.state.value, money(row.amount_micros, currency)),
                "for ever" if row.expires_at is None else moment(row.expires_at),
                "-" if row.redeemed_at is None else moment(row.redeemed_at),
                row.tenant or "-",
                "-" if row.entry_id is None else str(row.entry_id),
            )
            for row in found
        ],
        empty="",
    )


@code.command()
@click.argument("batch", help="Its name.")
@click.option("--code", "code_id", type=ID, help="One code of it, by its number.")
@click.option("--reason", type=Words("reason"), help="Kept for ever.")
@sure_option
@json_option
@examples("relay code revoke spring", "relay code revoke spring --code 17 --reason 'posted'")
def revoke(
    batch: str, code_id: int | None, reason: str | None, *, is_sure: bool, as_json: bool
) -> None:
    """Revoke what nobody has redeemed of a batch, for good, or one code of it."""
    what = f"all free codes of '{batch}'" if code_id is None else f"code {code_id} of '{batch}'"
    ask(f"Revoke {what} for good?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> list[int]:
        from relay.desk.codes import revoke_codes

        return await revoke_codes(session, actor, batch, code_id=code_id, reason=reason)

    with open_database() as database:
        revoked = database.act(work)
    if as_json:
        print_json({"batch": batch, "revoked": revoked})
    else:
        number = "1 code" if len(revoked) == 1 else f"{len(revoked)} codes"
        click.echo(f"{number} of {batch} revoked.")


@code.command()
@click.argument("tenant", help="Its name.")
@click.argument("given", metavar="CODE", help="Or - to have it read from stdin.")
@json_option
@examples("relay code redeem acme 7K3QM-0XVB2-N8RTA-5HC1D-W94EZ", "relay code redeem acme -")
def redeem(tenant: str, given: str, *, as_json: bool) -> None:
    """Redeem a code for a tenant, once; again for the same one changes nothing."""
    text = read_secret("The code") if given == "-" else given

    async def work(session: AsyncSession, actor: Actor) -> Redeemed:
        from relay.desk.codes import redeem_code

        return await redeem_code(session, actor, tenant, text, currency=currency)

    with open_database() as database:
        currency = database.settings.currency
        found = database.act(work)
    if as_json:
        print_json(found)
    elif found.is_new:
        click.echo(
            f"{money(found.amount_micros, currency)} added to {tenant}: code {found.code_id} of"
            f" {found.batch}."
        )
    else:
        click.echo(
            f"Code {found.code_id} of {found.batch} was redeemed for {tenant}'s account at"
            f" {moment(found.redeemed_at)}: added nothing."
        )


@contextmanager
def _reserved(out: str | None) -> Iterator[None]:
    """Have the file before there are codes, for nobody else to read; none is left if none are."""
    if out is None:
        yield
        return
    try:
        os.close(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise Failure(f"{out} could not be made: {error}; nothing was written") from error
    try:
        yield
    except BaseException:
        Path(out).unlink(missing_ok=True)
        raise


def _show_made(
    made: list[MadeCode], name: str, currency: str, out: str | None, *, as_json: bool
) -> None:
    from relay.desk.shown_codes import codes_sheet
    from relay.usage.sheet import to_csv

    if as_json:
        put_json({"batch": name, "codes": made}, out)
        return
    put(to_csv(codes_sheet(name, made, currency)), out)
