"""`relay token report`: what was done with one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import ID
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.window import Moment
from relay.money import money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.window import Span
    from relay.tasks.token_report import Part, TokenReport
    from relay.tenants.tables import Token

SHOWN = 20
"""Of addresses and hosts; --json has all."""


@click.command()
@click.argument("id", type=ID, help="As `relay token list` shows it.")
@click.option(
    "--since",
    type=Moment(),
    help="Only what was made from then on: 2026-11-26, '2026-11-26 17:02:08Z', or 3h, 2d (ago)."
    " Without it, since the key was issued.",
)
@json_option
@examples("relay token report 7 --since 3d", "relay token report 7 --json > key-7.json")
def report(id: int, since: Span | None, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Show what was made with a key: tasks, money, from where, and where callbacks go.

    Addresses are those of creates, kept for RELAY_KEEP_ADDRESSES_DAYS. What made no task, such as
    polls and refused keys, stands in the log alone.
    """

    async def work(session: AsyncSession) -> tuple[Token, str, datetime, TokenReport] | None:
        from relay.tasks.token_report import read_token_report
        from relay.tenants.read import find_token

        found = await find_token(session, id)
        if found is None:
            return None
        token, tenant = found
        start = since.start if since else token.created_at
        return token, tenant, start, await read_token_report(session, id, since=start)

    with open_database() as database:
        found = database.read(work)
        currency = database.settings.currency
    if found is None:
        raise Failure(f"there is no token {id}")
    token, tenant, start, told = found
    if as_json:
        print_json(
            {
                "id": token.id,
                "tenant": tenant,
                "is_test": token.is_test,
                "created_at": token.created_at,
                "revoked_at": token.revoked_at,
                "since": start,
                "currency": currency,
                **{name: getattr(told, name) for name in told.__struct_fields__},
            }
        )
        return
    _tell(token, tenant, start, told, currency)


def _tell(token: Token, tenant: str, start: datetime, told: TokenReport, currency: str) -> None:
    whole = told.whole
    ended = f"revoked {moment(token.revoked_at)}" if token.revoked_at else "not revoked"
    print_pairs(
        [
            ("token", f"{token.id} of {tenant}, {ended}" + (", for tests" * token.is_test)),
            ("since", moment(start)),
            ("tasks", f"{whole.tasks}" + _listed(told.states)),
            ("charged", money(whole.charged_micros, currency)),
            ("refunded", money(whole.refunded_micros, currency)),
            ("held now", money(whole.held_micros, currency)),
            ("last create", moment(whole.last_at) if whole.last_at else "none"),
        ]
    )
    if not whole.tasks:
        return
    _table(["endpoint", "model"], told.models, currency)
    _table(["address"], told.addresses, currency)
    _table(["callbacks go to"], told.callback_hosts, currency)


def _listed(states: Sequence[Part]) -> str:
    listed = ", ".join(f"{part.tasks} {part.name}" for part in states)
    return f": {listed}" if listed else ""


def _table(names: list[str], parts: Sequence[Part], currency: str) -> None:
    click.echo()
    print_table(
        [*names, ">tasks", ">paid", ">held", "first", "last"],
        [
            (
                part.name or ("none" if names == ["callbacks go to"] else "not known"),
                *([part.model or "-"] if len(names) > 1 else []),
                str(part.tasks),
                money(part.charged_micros - part.refunded_micros, currency),
                money(part.held_micros, currency),
                moment(part.first_at),
                moment(part.last_at),
            )
            for part in parts[:SHOWN]
        ],
        empty="",
    )
    if len(parts) > SHOWN:
        note(f"And {len(parts) - SHOWN} more: --json has them.")
