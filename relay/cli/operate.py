"""The operator's word about one task's money: confirmed, done through the one door, told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import rich_click as click

from relay.cli.database import Database, open_database
from relay.cli.failure import Failure
from relay.cli.named import catalogue
from relay.cli.show import money, print_json

if TYPE_CHECKING:
    from relay.tasks.inspect import ListedTask
    from relay.tasks.operate import Operated

Operation = Literal["settle", "release", "refund"]


def operate(
    operation: Operation, task_id: int, *, reason: str, is_sure: bool, as_json: bool
) -> None:
    """Do it after asking; Failure, and nothing is changed, if it cannot be done."""
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.logs import configure_logs
    from relay.tasks.inspect import find_tasks

    async def find(session: AsyncSession) -> ListedTask:
        for task in await find_tasks(session, str(task_id)):
            if task.id == task_id:
                return task
        raise Failure(f"there is no task {task_id} (by our id; `relay task show` takes any id)")

    with open_database() as database:
        task = database.run(find)
        if not is_sure:
            _confirm(operation, task, database.settings.currency)
        configure_logs(level=database.settings.log_level)
        operated = asyncio.run(_do(database, operation, task_id, reason))
    if not operated.done:
        raise Failure(f"{operated.message}; nothing was changed")
    if as_json:
        print_json({"id": task_id, "operation": operation, "message": operated.message})
    else:
        click.echo(f"task {task_id}: {operated.message} {database.settings.currency}")


def _confirm(operation: Operation, task: ListedTask, currency: str) -> None:
    amounts = {
        "settle": f"charge {money(task.hold_micros, currency)} to",
        "release": f"give {money(task.hold_micros, currency)} back to",
        "refund": f"refund {money(task.charged_micros or 0, currency)} to",
    }
    click.confirm(
        f"Task {task.id} is {task.status}: {amounts[operation]} tenant '{task.tenant}'?",
        abort=True,
        err=True,
    )


async def _do(database: Database, operation: Operation, task_id: int, reason: str) -> Operated:
    from relay.channels.directory import ChannelDirectory
    from relay.database.engine import dsn, open_engine, open_sessions
    from relay.database.line import Line, connector
    from relay.kling.httpx_transport import HttpxTransport
    from relay.kling.jwt import JwtCache
    from relay.tasks import operate as operations
    from relay.tasks.ask import Asker
    from relay.tasks.finish import Finisher
    from relay.tasks.upstream import Upstream

    engine = open_engine(database.url, connections=1)
    sessions = open_sessions(engine)
    transport = HttpxTransport()
    endpoints = catalogue()
    directory = ChannelDirectory(sessions, database.keys)
    asker = Asker(Upstream(transport, JwtCache()), directory, endpoints)
    line = Line(connector(dsn(database.url)), durable=True)
    finisher = Finisher(asker, endpoints, ends=line, refusals=line, records=line)
    try:
        match operation:
            case "settle":
                return await operations.settle(finisher, sessions, task_id, reason=reason)
            case "release":
                return await operations.release(finisher, sessions, task_id, reason=reason)
            case "refund":
                return await operations.refund(sessions, task_id, reason=reason)
    finally:
        await finisher.aclose()
        await line.aclose()
        await transport.aclose()
        await engine.dispose()
