"""`relay task`: what became of tenants' tasks, and the operator's word about their money."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import ID, Amount, Words
from relay.cli.show import json_option, print_json
from relay.cli.story import described, tell
from relay.cli.sure import ask, sure_option
from relay.cli.task_cancel import cancel
from relay.cli.task_list import list_command, print_tasks
from relay.database.ids import TaskId
from relay.money import decimal_of, money

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.tasks.inspect import ListedTask, Story

    Act = Callable[..., Coroutine[Any, Any, int]]


@click.group()
def task() -> None:
    """Look at tasks, and settle, release or refund one by hand."""


task.add_command(cancel)
task.add_command(list_command)


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
    print_tasks(result, currency, as_json=as_json)
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
