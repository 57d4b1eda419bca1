"""`relay operator token`: what operators and their programs show the office."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import ID
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.window import LocalMoment

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.operators import IssuedOperatorToken
    from relay.operators.tables import OperatorToken


@click.group()
def token() -> None:
    """Issue and revoke operators' tokens, for the office's /admin/v1."""


@token.command()
@click.argument("name", help="The operator's name.")
@click.option(
    "--expires",
    "expires_at",
    type=LocalMoment(),
    metavar="TIME",
    help="When it ends: 90d (from now), 2027-03-01; without this option, when it is revoked.",
)
@click.option(
    "--ip",
    "addresses",
    multiple=True,
    metavar="CIDR",
    help="Taken from this address or network alone, such as 10.1.0.0/16; again for more.",
)
@click.option("--json", is_flag=True, expose_value=False, help="What it prints anyway.")
@examples(
    "relay operator token add ann --expires 90d > ann-token.json",
    "relay operator token add nightly-export --ip 10.1.2.3",
)
def add(name: str, expires_at: datetime | None, addresses: tuple[str, ...]) -> None:
    """Make a token for an operator; prints it once, as JSON."""

    async def work(session: AsyncSession, actor: Actor) -> IssuedOperatorToken:
        from relay.desk.operators import issue_operator_token

        return await issue_operator_token(
            session, actor, name, expires_at=expires_at, addresses=addresses
        )

    with open_database() as database:
        issued = database.act(work)
    print_json(issued)
    if sys.stdout.isatty():
        note("The token is shown this once: keep it now.")


@token.command("list")
@click.argument("name", required=False, help="Only this operator's.")
@json_option
def list_tokens(name: str | None, *, as_json: bool) -> None:
    """List tokens, of one operator or of all, by their last four characters."""

    async def work(session: AsyncSession) -> list[tuple[OperatorToken, str]]:
        from relay.desk.operators import operator_named
        from relay.operators.read import read_operator_tokens

        return await read_operator_tokens(
            session, await operator_named(session, name) if name is not None else None
        )

    with open_database() as database:
        found = database.read(work)
    if as_json:
        from relay.desk.shown import shown_operator_token

        print_json([shown_operator_token(row, operator) for row, operator in found])
        return
    print_table(
        [">id", "operator", "token", "from", "created", "expires", "revoked"],
        [
            (
                str(row.id),
                operator,
                f"…{row.hint}",
                ", ".join(row.addresses or []) or "anywhere",
                moment(row.created_at),
                moment(row.expires_at),
                moment(row.revoked_at),
            )
            for row, operator in found
        ],
        empty="There are no tokens yet: `relay operator token add NAME` makes one.",
    )


@token.command()
@click.argument("id", type=ID, help="As `relay operator token list` shows it.")
@json_option
@examples("relay operator token revoke 7")
def revoke(id: int, *, as_json: bool) -> None:  # noqa: A002 (click names it by the argument)
    """End a token for good; requests with it are refused within 2 seconds."""

    async def work(session: AsyncSession, actor: Actor) -> tuple[OperatorToken, bool]:
        from relay.desk.operators import revoke_operator_token

        return await revoke_operator_token(session, actor, id)

    with open_database() as database:
        row, was_live = database.act(work)
    if not was_live:
        note(f"Token {id} was revoked before.")
    if as_json:
        print_json({"id": row.id, "revoked_at": row.revoked_at})
    else:
        click.echo(f"operator token {row.id} was revoked at {moment(row.revoked_at)}")
