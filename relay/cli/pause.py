"""`relay pause`: creates that are stopped for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import endpoint_named
from relay.cli.examples import examples
from relay.cli.known_models import note_unknown_models
from relay.cli.parameters import ID, Words
from relay.cli.show import json_option, moment, print_json, print_table
from relay.cli.window import Later

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.pauses import ListedPause

SEEN_S = 2


@click.group(invoke_without_command=True)
@click.option("--tenant", help="Only creates of this tenant.")
@click.option("--channel", help="Only on this channel; others take them, if there are any.")
@click.option("--endpoint", help="Only of this endpoint, such as text2video.")
@click.option(
    "--model", help="Only of this model as creates name it, such as kling-v3; of API 2.0 kling-3.0."
)
@click.option("--reason", type=Words("reason"), help="Why; for you and other operators alone.")
@click.option("--until", type=Later(), metavar="MOMENT", help="When it ends by itself, such as 2h.")
@json_option
@click.pass_context
@examples(
    "relay pause --channel main --until 2h --reason 'Kling works on it'",
    "relay pause --tenant acme --model kling-v3 --reason 'unpaid since May'",
    "relay pause --reason 'we move house' --until '2026-11-27 06:00Z'",
    "relay pause list; relay pause end 3",
)
def pause(
    ctx: click.Context,
    tenant: str | None,
    channel: str | None,
    endpoint: str | None,
    model: str | None,
    reason: str | None,
    until: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Stop creates for a while: they are answered 503/5001, which clients try again.

    It stops those that fit everything that is named; without a name, all. Queries, callbacks and
    charges go on. It is seen within 2 seconds, and so is its end.
    """
    if ctx.invoked_subcommand is not None:
        if any(value not in (None, False) for value in ctx.params.values()):
            raise click.UsageError(
                f"What is paused is named without `{ctx.invoked_subcommand}`; options of that"
                " command stand behind it."
            )
        return
    if reason is None:
        raise click.UsageError("Say why: --reason TEXT. `relay pause list` shows what is paused.")
    named = None if endpoint is None else endpoint_named(endpoint)

    async def work(session: AsyncSession, actor: Actor) -> ListedPause:
        from relay.desk.pauses import pause_creates

        return await pause_creates(
            session,
            actor,
            reason=reason,
            tenant=tenant,
            channel=channel,
            endpoint=named,
            model=model,
            until=until,
        )

    with open_database() as database:
        made = database.act(work)
    note_unknown_models([] if model is None else [model])
    if as_json:
        print_json(made)
        return
    end = f"until {moment(made.until)}" if made.until else "until you end it"
    click.echo(
        f"paused within {SEEN_S} seconds, {end}: {_scope(made)}; `relay pause end {made.id}` lets"
        " them on again"
    )


@pause.command("list")
@click.option("--ended", is_flag=True, help="And those that are over.")
@json_option
def list_command(*, ended: bool, as_json: bool) -> None:
    """List the pauses in force, newest first."""

    async def work(session: AsyncSession) -> list[ListedPause]:
        from relay.pauses.read import list_pauses

        return await list_pauses(session, with_ended=ended)

    with open_database() as database:
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        [">id", "creates", "since", "until", *(["ended"] if ended else []), "reason"],
        [
            (
                str(row.id),
                _scope(row),
                moment(row.created_at),
                moment(row.until),
                *([moment(row.ended_at)] if ended else []),
                row.reason,
            )
            for row in found
        ],
        empty="Nothing is paused.",
    )


@pause.command()
@click.argument("id", type=ID, help="The pause, as `list` shows it.")
@json_option
def end(id: int, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Let creates on again, before the pause's own end."""

    async def work(session: AsyncSession, actor: Actor) -> ListedPause:
        from relay.desk.pauses import end_pause

        return await end_pause(session, actor, id)

    with open_database() as database:
        ended = database.act(work)
    if as_json:
        print_json(ended)
    else:
        click.echo(f"pause {id} has ended, within {SEEN_S} seconds everywhere: {_scope(ended)}")


def _scope(row: ListedPause) -> str:
    """Spell which creates it stops."""
    words = [
        f"{word} {value}"
        for word, value in (
            ("of tenant", row.tenant),
            ("of endpoint", row.endpoint),
            ("of model", row.model),
            ("on channel", row.channel),
        )
        if value is not None
    ]
    return " ".join(words) or "all"
