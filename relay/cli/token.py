"""`relay token`: the keys that tenants show us."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import ID, Wait
from relay.cli.secret_input import read_key
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.token_report import report
from relay.money import money

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.tokens import IssuedToken
    from relay.tenants.tables import Token


NEXT = (
    ("relay token report {id} --since 7d", "what was made with it, from where, for how much"),
    ("relay token add {tenant}", "a new key; send it another way than the old one"),
    ("relay tenant webhook-secret {tenant} --rotate", "if the secret of its callbacks lay by it"),
)
"""What is to be done about a leaked key, and why."""


@click.group()
def token() -> None:
    """Issue and revoke tenants' keys, and see what was done with one."""


token.add_command(report)


@token.command()
@click.argument("tenant", help="The tenant's name.")
@click.option(
    "--api-key",
    metavar="KEY",
    help="An API key that the tenant has already, so that it keeps it; - asks for it or reads"
    " stdin, which shells and `ps` do not remember.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="Served by channels of this group alone; again for more. Else as its tenant.",
)
@click.option(
    "--queue",
    "queue_s",
    type=Wait(),
    help="How long a create with it may wait for room: 8m, on (8 minutes), off; else as its"
    " tenant's.",
)
@click.option(
    "--scope",
    type=click.Choice(["call", "read", "manage"]),
    default="call",
    show_default=True,
    help="call: Kling's paths, and what it spent itself. read: nothing but looking, at all that its"
    " tenant has. manage: both, and the tenant's tokens and secrets.",
)
@click.option("--test", is_flag=True, help="For tests: its tasks run on sandboxes, and are free.")
@click.option("--json", is_flag=True, expose_value=False, help="What it prints anyway.")
@examples(
    "relay token add acme > acme-keys.json",
    "relay token add acme --api-key -      # a tenant who moves here keeps its key",
    "relay token add acme --test > acme-test-keys.json",
    "relay token add acme --scope read     # for its accountant",
)
def add(
    tenant: str,
    api_key: str | None,
    groups: tuple[str, ...],
    queue_s: int | None,
    scope: str,
    *,
    test: bool,
) -> None:
    """Make an access key + secret key pair and an API key; prints them once, as JSON."""
    brought = read_key(api_key, "API key")

    async def work(session: AsyncSession, actor: Actor) -> IssuedToken:
        from relay.desk.tokens import issue_token
        from relay.tenants.scope import Scope

        return await issue_token(
            *(session, actor, tenant, database.keys),
            api_key=brought,
            groups=groups or None,
            is_test=test,
            queue_s=queue_s,
            scope=Scope(scope),
        )

    with open_database() as database:
        issued = database.act(work)
    print_json(issued)
    if sys.stdout.isatty():
        note("The secret key and the API key are shown this once: keep them now.")


@token.command("list")
@click.argument("tenant", required=False, help="Only this tenant's.")
@json_option
def list_tokens(tenant: str | None, *, as_json: bool) -> None:
    """List tokens, of one tenant or of all, without their secrets."""

    async def work(session: AsyncSession) -> list[tuple[Token, str]]:
        from relay.desk.find import tenant_named
        from relay.tenants.read import read_tokens

        return await read_tokens(
            session, await tenant_named(session, tenant) if tenant is not None else None
        )

    with open_database() as database:
        found = database.read(work)
    if as_json:
        from relay.desk.shown import shown_token

        print_json([shown_token(row, name) for row, name in found])
        return
    print_table(
        [">id", "tenant", "scope", "access key", "API key", "groups", "created", "revoked"],
        [
            (
                str(row.id),
                name,
                row.scope,
                row.access_key or "-",
                f"…{row.api_key_hint}" if row.api_key_hint else "-",
                "test" if row.is_test else ", ".join(row.groups or []) or "-",
                moment(row.created_at),
                moment(row.revoked_at),
            )
            for row, name in found
        ],
        empty="There are no tokens yet: `relay token add TENANT` makes one.",
    )


@token.command("set")
@click.argument("id", type=ID, help="As `relay token list` shows it.")
@click.option(
    "--queue",
    "queue",
    required=True,
    metavar="TIME",
    help="How long a create with it may wait for room: 8m, on (8 minutes), off, or tenant: as its"
    " tenant's.",
)
@json_option
@examples("relay token set 7 --queue 5m", "relay token set 7 --queue tenant")
def set_token(id: int, queue: str, *, as_json: bool) -> None:  # noqa: A002 (click names it by the argument)
    """Change a token; creates go by it within 2 seconds."""
    queue_s = None if queue == "tenant" else Wait().convert(queue, None, None)

    async def work(session: AsyncSession, actor: Actor) -> Token:
        from relay.desk.tokens import change_token

        return await change_token(session, actor, id, queue_s=queue_s)

    with open_database() as database:
        row = database.act(work)
    if as_json:
        print_json({"id": row.id, "queue_s": row.queue_s})
        return
    from relay.tasks.queue.wait import spell_wait

    waits = "as its tenant's" if row.queue_s is None else spell_wait(row.queue_s)
    click.echo(f"token {row.id}: queue {waits}")


@token.command()
@click.argument("id", type=ID, help="As `relay token list` shows it.")
@click.option(
    "--leaked",
    "is_leaked",
    is_flag=True,
    help="Others have it: notes that in `relay changes`, and says what to do next.",
)
@json_option
@examples("relay token revoke 7", "relay token revoke 7 --leaked")
def revoke(id: int, *, is_leaked: bool, as_json: bool) -> None:  # noqa: A002 (click names it by the argument)
    """End a token for good, and those that it made; requests are refused within 2 seconds.

    Tasks that were made with it go on: they end and are charged as all others are. Of a leaked one
    those are cancelled that still wait for room.
    """

    async def work(session: AsyncSession, actor: Actor) -> tuple[Token, bool, str, int, int]:
        from relay.desk.tokens import revoke_token
        from relay.tasks.live import read_held
        from relay.tenants.tables import Tenant

        row, was_live = await revoke_token(session, actor, id, is_leaked=is_leaked)
        tenant = await session.get_one(Tenant, row.tenant_id)
        return row, was_live, tenant.name, *await read_held(session, token_id=id)

    with open_database() as database:
        row, was_live, tenant, live, held_micros = database.act(work)
        currency = database.settings.currency
    if not was_live:
        note(f"Token {id} was revoked before.")
    if as_json:
        print_json(
            {
                "id": row.id,
                "tenant": tenant,
                "revoked_at": row.revoked_at,
                "live_tasks": live,
                "held_micros": held_micros,
            }
        )
        return
    click.echo(f"token {row.id} of {tenant} was revoked at {moment(row.revoked_at)}")
    if is_leaked:
        if live:
            click.echo(f"tasks that still run: {live}, with {money(held_micros, currency)} held")
        note("\nNext, as docs/operate.md has it about a leaked key:")
        commands = [command.format(id=row.id, tenant=quote(tenant)) for command, _ in NEXT]
        for command, (_, why) in zip(commands, NEXT, strict=True):
            note(f"  {command.ljust(max(map(len, commands)))}  {why}")
