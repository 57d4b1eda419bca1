"""`relay task`: what became of tenants' tasks, and the operator's word about their money."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import ID, Name
from relay.cli.show import json_option, moment, print_json, print_table
from relay.cli.story import described, tell
from relay.database.ids import TaskId
from relay.money import decimal_of, money

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.tasks.inspect import ListedTask, Story

    Act = Callable[..., Coroutine[Any, Any, int]]

STATUSES = ["pending", "unknown", "submitted", "processing", "succeed", "failed", "refused"]


@click.group()
def task() -> None:
    """Look at tasks, and settle, release or refund one by hand."""


@task.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--status", type=click.Choice(STATUSES), help="Only in this state.")
@click.option(
    "--stuck",
    "is_stuck",
    is_flag=True,
    help="Only those worth a look: alive for more than an hour, without a verdict past their"
    " deadline, or flagged.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most rows."
)
@json_option
@examples("relay task list --tenant acme --status failed", "relay task list --stuck")
def list_command(
    tenant: str | None, status: str | None, limit: int, *, is_stuck: bool, as_json: bool
) -> None:
    """List tasks, newest first."""

    async def work(session: AsyncSession) -> list[ListedTask]:
        from relay.desk.find import tenant_named
        from relay.tasks.inspect import list_tasks

        return await list_tasks(
            session,
            tenant_id=(await tenant_named(session, tenant)).id if tenant else None,
            status=status,
            is_stuck=is_stuck,
            limit=limit,
        )

    with open_database() as database:
        found = database.read(work)
        currency = database.settings.currency
    _print(found, currency, as_json=as_json)


@task.command()
@click.argument("any_id", help="Ours, Kling's, the tenant's, or a request id.")
@click.option("--tenant", help="Where several tenants use the same id: whose it is.")
@json_option
@examples("relay task show 117", "relay task show my-order-9 --tenant acme")
def show(any_id: str, tenant: str | None, *, as_json: bool) -> None:
    """Show everything about a task: its timeline, its money, raw replies and callbacks.

    ANY_ID is ours, Kling's, the tenant's own, or a request id. If several tasks have it, they are
    listed and the exit code is 1.
    """

    async def work(session: AsyncSession) -> Story | list[ListedTask]:
        from relay.desk.find import tenant_named
        from relay.tasks.inspect import find_tasks, read_story

        whose = (await tenant_named(session, tenant)).id if tenant else None
        found = await find_tasks(session, any_id, tenant_id=whose)
        if len(found) == 1:
            return await read_story(session, found[0].id)
        return found

    with open_database() as database:
        result = database.read(work)
        currency = database.settings.currency
    if not isinstance(result, list):
        if as_json:
            print_json(described(result, currency))
        else:
            tell(result, currency)
        return
    if not result:
        raise Failure(f"no task has the id '{any_id}'")
    _print(result, currency, as_json=as_json)
    raise Failure(f"{len(result)} tasks have the id '{any_id}': name one by our id, or --tenant")


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all three operations take."""
    options = [
        click.argument("id", type=ID, help="Our id of the task."),
        click.option("--reason", required=True, type=Name(), help="Kept with the task."),
        click.option("--yes", "is_sure", is_flag=True, help="Do not ask."),
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@task.command()
@operation
@examples("relay task settle 117 --reason 'Kling delivered it, ticket 9'")
def settle(id: int, reason: str, *, is_sure: bool, as_json: bool) -> None:  # noqa: A002 (click)
    """Count a task as a success and charge what is held for it."""
    from relay.desk.tasks import settle as act

    _operate(
        _Operation("settle", "charge {} to", "charged {}", act, lambda task: task.hold_micros),
        TaskId(id),
        reason=reason,
        is_sure=is_sure,
        as_json=as_json,
    )


@task.command()
@operation
@examples("relay task release 117 --reason 'Kling lost it, ticket 9'")
def release(id: int, reason: str, *, is_sure: bool, as_json: bool) -> None:  # noqa: A002 (click)
    """Give back what is held for a live task; should Kling still deliver it, it is charged."""
    from relay.desk.tasks import release as act

    _operate(
        _Operation("release", "give {} back to", "released {}", act, lambda task: task.hold_micros),
        TaskId(id),
        reason=reason,
        is_sure=is_sure,
        as_json=as_json,
    )


@task.command()
@operation
@examples("relay task refund 117 --reason 'the clip was black'")
def refund(id: int, reason: str, *, is_sure: bool, as_json: bool) -> None:  # noqa: A002 (click)
    """Give a success's charge back, once; the task stays a success."""
    from relay.desk.tasks import refund as act

    _operate(
        _Operation(
            "refund", "refund {} to", "refunded {}", act, lambda task: task.charged_micros or 0
        ),
        TaskId(id),
        reason=reason,
        is_sure=is_sure,
        as_json=as_json,
    )


@task.command()
@click.argument("id", type=ID, help="Our id of the task.")
@click.option("--reason", type=Name(), help="Kept with the task.")
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


class _Operation(NamedTuple):
    """An act on a task's money, and how a person is asked and told."""

    name: str
    question: str
    told: str
    act: Act
    amount_of: Callable[[ListedTask], int]


def _operate(
    operation: _Operation, task_id: TaskId, *, reason: str, is_sure: bool, as_json: bool
) -> None:
    """Do it after asking; Failure, and nothing is changed, if it cannot be done."""

    async def find(session: AsyncSession) -> ListedTask:
        from relay.desk.errors import NoSuch
        from relay.tasks.inspect import find_tasks

        for task in await find_tasks(session, str(task_id)):
            if task.id == task_id:
                return task
        raise NoSuch("task", task_id)

    async def work(session: AsyncSession, actor: Actor) -> int:
        return await operation.act(session, actor, task_id, reason=reason)

    with open_database() as database:
        currency = database.settings.currency
        if not is_sure:
            task = database.read(find)
            amount = operation.question.format(money(operation.amount_of(task), currency))
            click.confirm(
                f"Task {task.id} is {task.status}: {amount} tenant '{task.tenant}'?",
                abort=True,
                err=True,
            )
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
            *(">id", "tenant", "endpoint", "status", ">held", ">charged", "created"),
            *("Kling's id", "tenant's id", "channel", ""),
        ],
        [
            (
                str(row.id),
                row.tenant,
                row.endpoint,
                row.status,
                money(row.hold_micros, currency),
                "-" if row.charged_micros is None else money(row.charged_micros, currency),
                moment(row.created_at),
                row.kling_id or "-",
                row.tenant_external_id or "-",
                row.channel,
                "flagged" if row.is_flagged else "",
            )
            for row in found
        ],
        empty="There are no such tasks.",
    )
