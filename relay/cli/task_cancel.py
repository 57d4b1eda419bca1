"""`relay task cancel`: a create that waits for room, ended before Kling has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.parameters import ID, Words
from relay.cli.show import json_option, print_json
from relay.database.ids import TaskId
from relay.money import money

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor


@click.command()
@click.argument("id", type=ID, help="Our id of the task.")
@click.option("--reason", required=True, type=Words("reason"), help="Kept with the task.")
@json_option
@examples("relay task cancel 117 --reason 'its tenant asked for it'")
def cancel(id: int, reason: str, *, as_json: bool) -> None:  # noqa: A002 (click)
    """End a create that waits for room, and give its hold back; Kling never had it.

    What was sent cannot be cancelled: Kling has no such call. The tenant sees the task as failed.
    """

    async def work(session: AsyncSession, actor: Actor) -> int:
        from relay.desk.tasks import cancel as act

        return await act(session, actor, TaskId(id), reason=reason)

    with open_database() as database:
        given_micros, currency = database.act(work), database.settings.currency
    message = f"cancelled, and {money(given_micros, currency)} of its hold given back"
    if as_json:
        print_json({"id": id, "operation": "cancel", "message": message})
    else:
        click.echo(f"task {id}: {message}")
