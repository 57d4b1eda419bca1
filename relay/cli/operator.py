"""`relay operator`: who acts in the office, and what each may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import current_settings, open_database
from relay.cli.examples import examples
from relay.cli.operator_login import log_out, password, second_factor, sessions
from relay.cli.operator_token import token
from relay.cli.parameters import Ceiling, Name
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.sure import ask, sure_option
from relay.money import decimal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.shown import ShownOperator
    from relay.operators.tables import Operator

ROLES = ["owner", "operator", "finance", "support", "viewer"]
ceiling_option = click.option(
    "--ceiling",
    "ceilings",
    type=Ceiling(),
    multiple=True,
    metavar="ACT=AMOUNT",
    help="What an act may come to in 24 hours, such as task.refund=50; again for more acts.",
)


@click.group()
def operator() -> None:
    """Say who may do what in the office: people, and programs of yours.

    `relay` on this machine is not bound by it: whoever has its shell has the database.
    """


for command in (token, password, second_factor, sessions, log_out):
    operator.add_command(command)


@operator.command()
@click.argument(
    "name", type=Name(), help="As `relay changes` is to name it: a person or a program."
)
@click.option(
    "--role",
    required=True,
    type=click.Choice(ROLES),
    help="What it may do: `relay operator roles` has the table.",
)
@ceiling_option
@json_option
@examples(
    "relay operator add ann --role owner",
    "relay operator add ben --role support --ceiling task.refund=50",
)
def add(
    name: str, role: str, ceilings: tuple[tuple[str, int | None], ...], *, as_json: bool
) -> None:
    """Add an operator, whom `relay operator password NAME` or `token add NAME` lets in."""

    async def work(session: AsyncSession, actor: Actor) -> Operator:
        from relay.desk.operators import add_operator
        from relay.operators.tables import Role

        return await add_operator(session, actor, name, role=Role(role), ceilings=dict(ceilings))

    with open_database() as database:
        _tell(database.act(work), database.settings.currency, as_json=as_json)


@operator.command("list")
@click.option("--removed", "with_removed", is_flag=True, help="Those that were removed too.")
@json_option
def list_operators(*, with_removed: bool, as_json: bool) -> None:
    """List operators, with their roles and the ceilings that are their own."""

    async def work(session: AsyncSession) -> list[Operator]:
        from relay.operators.read import read_operators

        return await read_operators(session, with_removed=with_removed)

    with open_database() as database:
        found = database.read(work)
    if as_json:
        print_json([_described(row) for row in found])
        return
    print_table(
        ["name", "role", "own ceilings in 24 h", "logs in by", "added", "removed"],
        [
            (
                row.name,
                row.role,
                _spelt(row.ceilings) or "-",
                _way_in(row),
                moment(row.created_at),
                moment(row.removed_at),
            )
            for row in found
        ],
        empty="There are no operators yet: `relay operator add NAME --role …` makes one.",
    )


@operator.command("set")
@click.argument("name", help="The operator's name.")
@click.option("--role", type=click.Choice(ROLES), help="What it may do from now on.")
@ceiling_option
@json_option
@examples(
    "relay operator set ben --role finance",
    "relay operator set ben --ceiling task.refund=200",
    "relay operator set ben --ceiling task.refund=role    # what its role has",
)
def set_operator(
    name: str,
    role: str | None,
    ceilings: tuple[tuple[str, int | None], ...],
    *,
    as_json: bool,
) -> None:
    """Change what an operator may do; its next act goes by it."""
    if role is None and not ceilings:
        raise click.UsageError("Say what is to be changed: --role or --ceiling.")

    async def work(session: AsyncSession, actor: Actor) -> Operator:
        from relay.desk.operators import change_operator
        from relay.operators.tables import Role

        return await change_operator(
            *(session, actor, name),
            role=None if role is None else Role(role),
            ceilings=dict(ceilings),
        )

    with open_database() as database:
        _tell(database.act(work), database.settings.currency, as_json=as_json)


@operator.command()
@click.argument("name", help="The operator's name.")
@sure_option
@json_option
def remove(name: str, *, is_sure: bool, as_json: bool) -> None:
    """Shut an operator out for good, with its tokens and sessions; what it did keeps its name."""
    ask(f"Remove operator '{name}' with its tokens?", is_sure=is_sure)

    async def work(session: AsyncSession, actor: Actor) -> Operator:
        from relay.desk.operators import remove_operator

        return await remove_operator(session, actor, name)

    with open_database() as database:
        row = database.act(work)
    if as_json:
        print_json(_described(row))
    else:
        click.echo(f"operator {name} was removed, and its tokens and sessions are over")


@operator.command()
@json_option
def roles(*, as_json: bool) -> None:
    """Print what each role may do, and up to which ceiling in 24 hours."""
    from relay.desk.roles import ACTS
    from relay.operators.tables import Role

    if as_json:
        print_json(
            {
                act: {role.value: {"ceiling_micros": micros} for role, micros in grants.items()}
                for act, grants in ACTS.items()
            }
        )
        return
    currency = current_settings().currency
    print_table(
        ["act", *(role.value for role in Role)],
        [
            (act, *(_grant(grants[role], currency) if role in grants else "-" for role in Role))
            for act, grants in ACTS.items()
        ],
        empty="",
    )
    note("\nAn amount is what an act may come to in 24 hours; `--ceiling` says another one.")


def _grant(ceiling_micros: int | None, currency: str) -> str:
    if ceiling_micros is None:
        return "yes"
    return "without money" if ceiling_micros == 0 else f"{decimal_of(ceiling_micros)} {currency}"


def _spelt(ceilings: Mapping[str, int]) -> str:
    return ", ".join(f"{act}={decimal_of(micros)}" for act, micros in ceilings.items())


def _way_in(row: Operator) -> str:
    if row.password_hash is None:
        return "-"
    return "password" if row.totp_sealed is None else "password and code"


def _tell(row: Operator, currency: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_described(row))
        return
    own = f", {currency} in 24 hours at most: {_spelt(row.ceilings)}" if row.ceilings else ""
    click.echo(f"operator {row.name}: {row.role}{own}")


def _described(row: Operator) -> ShownOperator:
    from relay.desk.shown import shown_operator

    return shown_operator(row)
