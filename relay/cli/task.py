"""`relay task`: what became of tenants' tasks, and the operator's word about their money."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.listing import Listing, list_options, put_list
from relay.cli.parameters import ID, Amount, Words
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.story import described, tell
from relay.cli.sure import ask, sure_option
from relay.cli.task_cancel import cancel
from relay.cli.window import Moment
from relay.database.ids import TaskId
from relay.money import decimal_of, money

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.window import Span
    from relay.desk.actor import Actor
    from relay.tasks.inspect import ListedTask, Story

    Act = Callable[..., Coroutine[Any, Any, int]]

STATUSES = [
    *("queued", "pending", "unknown", "submitted", "processing"),
    *("succeed", "failed", "refused"),
]


@click.group()
def task() -> None:
    """Look at tasks, and settle, release or refund one by hand."""


task.add_command(cancel)


@task.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--token", "token_id", type=ID, help="Only made with this key.")
@click.option(
    "--address", "caller_address", help="Only created from there, as `token report` shows it."
)
@click.option("--channel", help="Only on this channel.")
@click.option("--endpoint", help="Only of this endpoint, as the list names it.")
@click.option("--model", help="Only of this model, as the tenant spelled it.")
@click.option("--status", type=click.Choice(STATUSES), help="Only in this state.")
@click.option(
    "--since",
    type=Moment(),
    help="Only those made from then on: 2026-11-26, '2026-11-26 17:02:08Z', or 3h, 2d (ago).",
)
@click.option("--until", type=Moment(), help="Only those made up to then, that day or second too.")
@click.option("--flagged", "is_flagged", is_flag=True, help="Only those with a flag.")
@click.option(
    "--stuck",
    "is_stuck",
    is_flag=True,
    help="Only those worth a look: alive for more than an hour, without a verdict past their"
    " deadline, or flagged. The oldest first.",
)
@click.option(
    "--before", "before_id", type=ID, help="What the list has behind this task, to page on."
)
@list_options
@examples(
    "relay task list --tenant acme --status failed --since 2d",
    "relay task list --since 2026-11-01 --format xlsx --out tasks.xlsx",
    "relay task list --model kling-v3 --since 2026-11-26 --until 2026-11-26",
    "relay task list --token 7 --address 198.51.100.9 --since 3d",
    "relay task list --stuck",
)
def list_command(
    tenant: str | None,
    channel: str | None,
    since: Span | None,
    until: Span | None,
    before_id: int | None,
    listing: Listing,
    **wanted: Any,
) -> None:
    """List tasks, newest first. What one holds is told while it lives."""

    async def read(session: AsyncSession, before_id: int | None, most: int) -> list[ListedTask]:
        from relay.desk.find import channel_named, tenant_named
        from relay.tasks.inspect import TaskFilter, list_tasks

        return await list_tasks(
            session,
            TaskFilter(
                tenant_id=(await tenant_named(session, tenant)).id if tenant is not None else None,
                channel_id=(await channel_named(session, channel)).id
                if channel is not None
                else None,
                since=since.start if since else None,
                until=until.until if until else None,
                **wanted,
            ).behind(before_id),
            limit=most,
        )

    with open_database() as database:
        if listing.is_file:
            from relay.tasks.inspect import ListedTask

            put_list(database, read, ListedTask, listing, title="Tasks", before_id=before_id)
            return
        found = database.read(lambda session: read(session, before_id, listing.rows))
        currency = database.settings.currency
    _print(found, currency, as_json=listing.is_json)
    if len(found) == listing.rows and not listing.is_json:
        note(f"There may be more: --before {found[-1].id} shows them.")


@task.command()
@click.argument("any_id", help="Ours, Kling's, the tenant's, or a request id.")
@click.option("--tenant", help="Where several tenants use the same id: whose it is.")
@click.option(
    "--raw", "is_raw", is_flag=True, help="With replies, callbacks and deliveries as they were."
)
@json_option
@examples("relay task show 117", "relay task show my-order-9 --tenant acme --raw")
def show(any_id: str, tenant: str | None, *, is_raw: bool, as_json: bool) -> None:
    """Show everything about a task: what it waits for, its money, its timeline.

    ANY_ID is ours, Kling's, the tenant's own, or a request id. If several tasks have it, they are
    listed and the exit code is 1.
    """

    async def work(session: AsyncSession) -> Story | list[ListedTask]:
        from relay.desk.find import tenant_named
        from relay.tasks.inspect import find_tasks, read_story

        whose = (await tenant_named(session, tenant)).id if tenant is not None else None
        found = await find_tasks(session, any_id, tenant_id=whose)
        if len(found) == 1:
            return await read_story(session, found[0].id)
        return found

    with open_database() as database:
        result = database.read(work)
        currency = database.settings.currency
    if not isinstance(result, list):
        if as_json:
            print_json(described(result, currency, is_raw=is_raw))
        else:
            tell(result, currency, is_raw=is_raw)
        return
    if not result:
        raise Failure(f"no task has the id '{any_id}'")
    _print(result, currency, as_json=as_json)
    raise Failure(f"{len(result)} tasks have the id '{any_id}': name one by our id, or --tenant")


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all three operations take."""
    options = [
        click.argument("id", type=ID, help="Our id of the task."),
        click.option(
            "--reason",
            required=True,
            type=Words("reason"),
            help="Kept with the task, for operators; the tenant never reads it.",
        ),
        sure_option,
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


tell_option = click.option(
    "--tell",
    type=Words(),
    help="What the tenant reads as the task's message; without it, a neutral sentence.",
)


@task.command()
@operation
@tell_option
@examples("relay task settle 117 --reason 'Kling delivered it, ticket 9'")
def settle(
    id: int,  # noqa: A002 (click)
    reason: str,
    tell: str | None,
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Count a task as a success and charge what is held for it."""
    from relay.desk.tasks import settle as act

    _operate(
        _Operation("settle", "charge {} to", "charged {}", act, lambda task: task.price_micros),
        TaskId(id),
        {"reason": reason} | ({"tell": tell} if tell else {}),
        is_sure=is_sure,
        as_json=as_json,
    )


@task.command()
@operation
@tell_option
@examples(
    "relay task release 117 --reason 'Kling lost it, ticket 9' --tell 'Lost: please send it again'"
)
def release(
    id: int,  # noqa: A002 (click)
    reason: str,
    tell: str | None,
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Give back what is held for a live task; should Kling still deliver it, it is charged."""
    from relay.desk.tasks import release as act

    _operate(
        _Operation("release", "give {} back to", "released {}", act, lambda task: task.hold_micros),
        TaskId(id),
        {"reason": reason} | ({"tell": tell} if tell else {}),
        is_sure=is_sure,
        as_json=as_json,
    )


@task.command()
@operation
@click.option(
    "--amount",
    type=Amount(least=0, is_above=True),
    help="So much of the charge; again until nothing is left. Without it, all that is left.",
)
@examples(
    "relay task refund 117 --reason 'the clip was black'",
    "relay task refund 117 --amount 0.1 --reason 'half of it was dark'",
)
def refund(
    id: int,  # noqa: A002 (click)
    reason: str,
    amount: int | None,
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Give a success's charge back, or a part of it; the task stays a success."""
    from relay.desk.tasks import refund as act

    _operate(
        _Operation(
            *("refund", "refund {} to", "refunded {}", act),
            lambda task: amount or (task.charged_micros or 0) - task.refunded_micros,
        ),
        TaskId(id),
        {"reason": reason, "amount_micros": amount},
        is_sure=is_sure,
        as_json=as_json,
    )


@task.command()
@click.argument("id", type=ID, help="Our id of the task.")
@click.option("--reason", type=Words("reason"), help="Kept with the task.")
@json_option
@examples("relay task unflag 117 --reason 'Kling took twice the quote, price raised'")
def unflag(id: int, reason: str | None, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Take the flag off a task that you have read about; `task list --stuck` shows it no more."""

    async def work(session: AsyncSession, actor: Actor) -> None:
        from relay.desk.tasks import unflag as act

        await act(session, actor, TaskId(id), reason=reason)

    with open_database() as database:
        database.act(work)
    if as_json:
        print_json({"id": id, "operation": "unflag", "message": "the flag is off"})
    else:
        click.echo(f"task {id}: the flag is off")


@task.command()
@click.argument("id", type=ID, help="Our id of the task.")
@json_option
@examples("relay task look 117")
def look(id: int, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Have a worker ask Kling about a task at once, and not when that is due.

    What Kling says is applied as ever: `relay task show ID` tells it a moment later.
    """

    async def work(session: AsyncSession, actor: Actor) -> None:
        from relay.desk.tasks import look_now

        await look_now(session, actor, TaskId(id))

    with open_database() as database:
        database.act(work)
    message = "a worker asks Kling now"
    if as_json:
        print_json({"id": id, "operation": "look", "message": message})
    else:
        click.echo(f"task {id}: {message}")


class _Operation(NamedTuple):
    """An act on a task's money, and how a person is asked and told."""

    name: str
    question: str
    told: str
    act: Act
    amount_of: Callable[[ListedTask], int]


def _operate(
    operation: _Operation,
    task_id: TaskId,
    values: dict[str, Any],
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Do it after asking; Failure, and nothing is changed, if it cannot be done.

    `values`: what the act is given beside the task.
    """

    async def find(session: AsyncSession) -> ListedTask:
        from relay.desk.errors import NoSuch
        from relay.tasks.inspect import find_tasks

        for task in await find_tasks(session, str(task_id)):
            if task.id == task_id:
                return task
        raise NoSuch("task", task_id)

    async def work(session: AsyncSession, actor: Actor) -> int:
        return await operation.act(session, actor, task_id, **values)

    with open_database() as database:
        currency = database.settings.currency
        if not is_sure:
            task = database.read(find)
            amount = operation.question.format(money(operation.amount_of(task), currency))
            question = f"Task {task.id} is {task.status}: {amount} tenant '{task.tenant}'?"
            ask(question, is_sure=is_sure)
        done_micros = database.act(work)
    message = operation.told.format(decimal_of(done_micros))
    if as_json:
        print_json({"id": task_id, "operation": operation.name, "message": message})
    else:
        click.echo(f"task {task_id}: {message} {currency}")


def _print(found: list[ListedTask], currency: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        [
            *(">id", "tenant", "endpoint", "model", "status", ">held", ">charged", ">refunded"),
            *("created", "Kling's id", "tenant's id", "channel", ""),
        ],
        [
            (
                str(row.id),
                row.tenant,
                row.endpoint,
                row.model or "-",
                row.status,
                money(row.held_micros, currency) if row.held_micros else "-",
                "-" if row.charged_micros is None else money(row.charged_micros, currency),
                money(row.refunded_micros, currency) if row.refunded_micros else "-",
                moment(row.created_at),
                row.kling_id or "-",
                row.tenant_external_id or "-",
                row.channel,
                " ".join(["flagged"] * row.is_flagged + ["test"] * row.is_test),
            )
            for row in found
        ],
        empty="There are no such tasks.",
    )
