"""`relay token`: the keys that tenants show us."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.gate_options import gate_options, gate_pairs
from relay.cli.limit_options import amount_of, by_kind, limit_options
from relay.cli.narrowed import note_narrowed
from relay.cli.parameters import ID, NONE, Name, Wait
from relay.cli.secret_input import read_key
from relay.cli.show import json_option, moment, note, print_json, print_pairs, print_table
from relay.cli.token_report import report
from relay.money import money

if TYPE_CHECKING:
    from datetime import tzinfo

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.gates import GateChanges
    from relay.desk.narrowed import Narrowed
    from relay.desk.shown_limits import ShownLimit
    from relay.desk.tokens import IssuedToken
    from relay.tenants.tables import Token


NEXT = (
    ("relay token report {id} --since 7d", "what was made with it, from where, for how much"),
    ("relay token add {tenant}", "a new key; send it another way than the old one"),
    ("relay tenant webhook-secret {tenant} --rotate", "if the secret of its callbacks lay by it"),
)
"""What is to be done about a leaked key, and why."""
name_option = click.option(
    "--name", type=Name(), help="What you call it, such as who has it; none for nothing."
)


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
@name_option
@gate_options
@limit_options("limit-")
@click.option("--json", is_flag=True, expose_value=False, help="What it prints anyway.")
@examples(
    "relay token add acme > acme-keys.json",
    "relay token add acme --api-key -      # a tenant who moves here keeps its key",
    "relay token add acme --test > acme-test-keys.json",
    "relay token add acme --scope read     # for its accountant",
    "relay token add acme --name ci --expires 90d --limit-month 100 --models kling-v3",
)
def add(
    tenant: str,
    api_key: str | None,
    groups: tuple[str, ...],
    queue_s: int | None,
    scope: str,
    name: str | None,
    gates: GateChanges | None,
    allowed: dict[str, int | None],
    *,
    test: bool,
) -> None:
    """Make an access key + secret key pair and an API key; prints them once, as JSON."""
    brought = read_key(api_key, "API key")

    async def work(session: AsyncSession, actor: Actor) -> IssuedToken:
        from relay.desk.tokens import issue_token
        from relay.tenants.scope import Scope

        issued = await issue_token(
            *(session, actor, tenant, database.keys),
            api_key=brought,
            groups=groups or None,
            is_test=test,
            queue_s=queue_s,
            scope=Scope(scope),
        )
        await _bound(session, actor, issued.id, name, gates, allowed, zone=database.settings.zone)
        return issued

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
        [
            ">id",
            "tenant",
            "name",
            "scope",
            "access key",
            "API key",
            "groups",
            "created",
            "expires",
            "revoked",
        ],
        [
            (
                str(row.id),
                name,
                row.name or "-",
                row.scope,
                row.access_key or "-",
                f"…{row.api_key_hint}" if row.api_key_hint else "-",
                "test" if row.is_test else ", ".join(row.groups or []) or "-",
                moment(row.created_at),
                moment(row.expires_at),
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
    metavar="TIME",
    help="How long a create with it may wait for room: 8m, on (8 minutes), off, or tenant: as its"
    " tenant's.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="Served by channels of this group alone; again for more, or tenant: as its tenant.",
)
@name_option
@gate_options
@limit_options("limit-")
@json_option
@examples(
    "relay token set 7 --queue 5m",
    "relay token set 7 --limit-month 200 --expires none",
    "relay token set 7 --ip 203.0.113.7,10.0.0.0/8 --models all",
)
def set_token(
    id: int,  # noqa: A002 (click names it by the argument)
    queue: str | None,
    groups: tuple[str, ...],
    name: str | None,
    gates: GateChanges | None,
    allowed: dict[str, int | None],
    *,
    as_json: bool,
) -> None:
    """Change a token; requests go by it within 2 seconds, creates by its limits at once."""
    if queue is None and name is None and gates is None and not (allowed or groups):
        raise click.UsageError("Say what to change, such as --queue 5m or --limit-month 100.")

    async def work(
        session: AsyncSession, actor: Actor
    ) -> tuple[Token, str, list[ShownLimit], Narrowed]:
        from relay.desk.find import token_numbered
        from relay.desk.narrowed import Narrowed
        from relay.desk.shown_limits import read_shown_limits
        from relay.desk.tokens import change_token

        narrowed = Narrowed()
        if queue is not None:
            queue_s = None if queue == "tenant" else Wait().convert(queue, None, None)
            await change_token(session, actor, id, queue_s=queue_s)
        if groups:
            its = None if groups == ("tenant",) else groups
            narrowed = await change_token(session, actor, id, groups=its)
        zone = database.settings.zone
        narrowed |= await _bound(session, actor, id, name, gates, allowed, zone=zone)
        row, tenant = await token_numbered(session, id)
        return row, tenant, await read_shown_limits(session, token_id=id), narrowed

    with open_database() as database:
        row, tenant, limits, narrowed = database.act(work)
    note_narrowed(narrowed)
    if as_json:
        from relay.desk.shown import shown_token

        print_json(shown_token(row, tenant))
        return
    from relay.tasks.queue.wait import spell_wait

    print_pairs(
        [
            ("token", str(row.id)),
            ("tenant", tenant),
            ("name", row.name),
            ("queue", "as its tenant's" if row.queue_s is None else spell_wait(row.queue_s)),
            ("groups", ", ".join(row.groups) if row.groups else None),
            *gate_pairs(row),
            *(
                (f"limit {one.limit.value.replace('_', ' ')}", amount_of(one, one.allowed))
                for one in limits
            ),
        ]
    )


async def _bound(
    session: AsyncSession,
    actor: Actor,
    token_id: int,
    name: str | None,
    gates: GateChanges | None,
    allowed: dict[str, int | None],
    *,
    zone: tzinfo,
) -> Narrowed:
    """Name a token, and say what it is let in for and may take, as far as that is given.

    Returns what was narrowed with it.
    """
    from relay.desk.gates import set_gates
    from relay.desk.limits import set_limits
    from relay.desk.narrowed import Narrowed
    from relay.desk.tokens import change_token

    narrowed = Narrowed()
    if name is not None:
        await change_token(session, actor, token_id, name=None if name == NONE else name)
    if gates is not None:
        narrowed |= await set_gates(session, actor, gates, token_id=token_id)
    if allowed:
        narrowed |= await set_limits(session, actor, by_kind(allowed), token_id=token_id, zone=zone)
    return narrowed


@token.command()
@click.argument("id", type=ID, help="As `relay token list` shows it.")
@click.option(
    "--keep",
    type=click.IntRange(0, 720),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="For how long the old keys are taken beside the new ones; 0 ends them now.",
)
@click.option("--json", is_flag=True, expose_value=False, help="What it prints anyway.")
@examples("relay token rotate 7 > acme-keys.json", "relay token rotate 7 --keep 0")
def rotate(id: int, keep: int) -> None:  # noqa: A002 (click names it by the argument)
    """Give a token new keys, and end its old ones a day later; prints them once, as JSON.

    It stays the same token, with its limits and its tasks. Keys that it had before those end now.
    """

    async def work(session: AsyncSession, actor: Actor) -> IssuedToken:
        from relay.desk.tokens import rotate_token

        return await rotate_token(session, actor, id, database.keys, keep_s=keep * 3600)

    with open_database() as database:
        issued = database.act(work)
    print_json(issued)
    if sys.stdout.isatty():
        note("The secret key and the API key are shown this once: keep them now.")


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
