"""`relay limit`: what tenants and their keys may spend and run at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.gate_options import gate_options, gate_pairs
from relay.cli.limit_options import amount_of, by_kind, limit_options
from relay.cli.narrowed import note_narrowed
from relay.cli.parameters import ID, Words
from relay.cli.show import json_option, moment, print_json, print_pairs, print_table
from relay.cli.window import LocalMoment

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.gates import GateChanges
    from relay.desk.narrowed import Narrowed
    from relay.desk.shown_limits import ShownLimit
    from relay.tenants.tables import Tenant, Token

NOTHING = "There are no limits: `relay limit set TENANT --month 500` sets one."
token_option = click.option(
    "--token", "token_id", type=ID, metavar="ID", help="Of this key alone, as `relay token list`."
)


@click.group()
def limit() -> None:
    """Say what tenants and keys may spend, run and send at most.

    What a limit counts is held and ended under its lock, so no number of creates at once, over any
    number of processes, passes it. A key is under its own limits and its tenant's.
    """


@limit.command("list")
@click.argument("tenant", required=False, help="Only this tenant's, with its keys'.")
@json_option
def list_limits(tenant: str | None, *, as_json: bool) -> None:
    """List limits with what is taken of them and what is left."""
    with open_database() as database:
        found = database.read(lambda session: _read(session, tenant))
    _show(found, as_json=as_json)


@limit.command("set")
@click.argument("tenant", help="The tenant's name.")
@token_option
@limit_options()
@gate_options
@json_option
@examples(
    "relay limit set acme --month 500 --day 50",
    "relay limit set acme --token 7 --month 100 --task 2 --in-flight 5 --rate 2",
    "relay limit set acme --week none",
    "relay limit set acme --expires 2027-01-01 --endpoints text2video,image2video",
)
def set_limits(
    tenant: str,
    token_id: int | None,
    allowed: dict[str, int | None],
    gates: GateChanges | None,
    *,
    as_json: bool,
) -> None:
    """Set limits of a tenant or of one of its keys, or take them away, by `none`.

    What was spent since the window began counts, and what runs; tasks that run go on. In force for
    the next create.
    """
    if not allowed and gates is None:
        raise click.UsageError("Say which limit to set, such as --month 500.")

    async def work(
        session: AsyncSession, actor: Actor
    ) -> tuple[list[ShownLimit], Tenant | Token, Narrowed]:
        from relay.desk.find import tenant_named, token_numbered
        from relay.desk.gates import set_gates
        from relay.desk.limits import set_limits
        from relay.desk.narrowed import Narrowed

        narrowed = Narrowed()
        if gates is not None:
            narrowed = await set_gates(session, actor, gates, tenant=tenant, token_id=token_id)
        narrowed |= await set_limits(
            *(session, actor, by_kind(allowed)),
            tenant=tenant,
            token_id=token_id,
            zone=database.settings.zone,
        )
        row: Tenant | Token = await tenant_named(session, tenant)
        if token_id is not None:
            row, _ = await token_numbered(session, token_id)
        return await _read(session, tenant, token_id), row, narrowed

    with open_database() as database:
        found, row, narrowed = database.act(work)
    note_narrowed(narrowed)
    if gates is None or as_json:
        _show(found, as_json=as_json)
        return
    if found:
        _show(found, as_json=False)
    bounds = [pair for pair in gate_pairs(row) if pair[1] is not None]
    print_pairs(bounds or [("let in", "until it is revoked, from everywhere, for everything")])


@limit.command("raise")
@click.argument("tenant", help="The tenant's name.")
@token_option
@limit_options()
@click.option(
    "--until",
    type=LocalMoment(),
    metavar="MOMENT",
    help="When it is over, such as 2026-12-01, in RELAY_TIMEZONE, or 2h.",
)
@click.option("--reason", type=Words("reason"), help="Why; for you and other operators alone.")
@json_option
@examples(
    "relay limit raise acme --month 800 --until 2026-12-01 --reason 'their launch'",
    "relay limit raise acme --month none      # over now",
)
def raise_limit(
    tenant: str,
    token_id: int | None,
    allowed: dict[str, int | None],
    until: datetime | None,
    reason: str | None,
    *,
    as_json: bool,
) -> None:
    """Let one limit allow more until a moment; then it is by itself what it was before."""
    if len(allowed) != 1:
        raise click.UsageError("Say which one limit to raise, such as --month 800.")
    ((kind, amount),) = by_kind(allowed).items()
    if amount is not None and until is None:
        raise click.UsageError("Say until when: --until 2026-12-01; `relay limit set` is for good.")

    async def work(session: AsyncSession, actor: Actor) -> list[ShownLimit]:
        from relay.desk.limits import raise_limit

        await raise_limit(
            *(session, actor, kind, amount),
            until=until,
            tenant=tenant,
            token_id=token_id,
            reason=reason,
        )
        return await _read(session, tenant, token_id)

    with open_database() as database:
        found = database.act(work)
    _show(found, as_json=as_json)


async def _read(
    session: AsyncSession, tenant: str | None, token_id: int | None = None
) -> list[ShownLimit]:
    from relay.desk.shown_limits import read_shown_limits

    return await read_shown_limits(session, tenant, token_id)


def _show(found: list[ShownLimit], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        [
            *("tenant", "key", "limit", ">allowed", ">taken", ">left"),
            *("begins anew", "raised until", "set by"),
        ],
        [
            (
                one.tenant,
                "all" if one.token is None else str(one.token),
                one.limit.value.replace("_", " "),
                amount_of(one, max(one.allowed, one.raised or 0)),
                amount_of(one, one.taken),
                amount_of(one, one.left),
                moment(one.begins_anew),
                moment(one.raised_until),
                "-" if one.set_by is None else f"key {one.set_by}",
            )
            for one in found
        ],
        empty=NOTHING,
    )
