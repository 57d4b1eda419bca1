"""`relay import new-api`: another relay's installation, looked at and taken over."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.move_report import described, report
from relay.cli.parameters import Name, Number
from relay.cli.secret_input import read_secret
from relay.cli.show import note, print_json
from relay.cli.sure import ask, sure_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database
    from relay.desk.moving.plan import Choices, Plan
    from relay.desk.moving.steps import Step
    from relay.new_api.installation import Installation
    from relay.new_api.source import Source

USD = "USD"
TOLD_EVERY = 500
"""Tenants between two lines about how far it is."""


@click.group("import")
def import_() -> None:
    """Take over another relay's tenants, keys, prices and channels."""


@import_.command("new-api")
@click.argument(
    "source",
    metavar="SOURCE",
    help="Its database: a SQLite file (one-api.db), a postgresql:// or mysql:// URL, or what its"
    " SQL_DSN has; - asks for it or reads stdin, which shells and `ps` do not remember.",
)
@click.option(
    "--name",
    type=Name("source"),
    default="new-api",
    show_default=True,
    help="What it is called here, in references of openings; another for a second installation.",
)
@click.option(
    "--rate",
    type=Number(least=0, is_above=True),
    help="How much of RELAY_CURRENCY a dollar is: new-api counts in dollars. 1 where it is USD.",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="Where channels of Kling's own host lead to; without it, the host that takes their keys.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Do it, after the report. Else nothing.")
@click.option(
    "--while-running",
    is_flag=True,
    help="Though tasks run there or it is in use: its balances may then still change.",
)
@sure_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of the report; json has each tenant's prices line by line.",
)
@examples(
    "relay import new-api /data/one-api.db                # what it would do; nothing is done",
    "relay import new-api - --rate 7.1                    # asks for the URL",
    "relay import new-api /data/one-api.db --apply        # the report, a question, and done",
)
def new_api(
    source: str,
    name: str,
    rate: Decimal | None,
    base_url: str | None,
    form: str,
    *,
    is_applied: bool,
    while_running: bool,
    is_sure: bool,
) -> None:
    """Show what moving from a new-api would do, and with --apply do it; nothing is written there.

    Tenants with what they have left, their sk- keys with what limits them, Kling channels, groups
    with their prices, unused redeem codes, and ids of tasks that ended. Stop new-api first: with
    tasks that run, or in use within the last minute, it is refused. Each tenant is one transaction;
    another run completes what was cut off, and leaves what is here. Until a tenant's first task
    here it also makes its opening what is left there by then.
    """
    from relay.new_api.opened import open_source
    from relay.new_api.source import SourceError

    if is_applied and form == "json" and not is_sure:
        raise click.UsageError("With --format json it does not ask: say --yes too.")
    place = read_secret("new-api's database") if source == "-" else source
    with open_database() as database:
        choices = _choices(name, rate, base_url, database)
        try:
            with open_source(place) as opened:
                found, plan = _look(opened, database, choices)
                tasks = _count_tasks(opened)
            _show(plan, tasks, form, is_applied=is_applied)
            if not is_applied:
                return
            _refuse_at_work(plan, while_running=while_running)
            ask("Move it here?", is_sure=is_sure)
            with open_source(place) as opened:
                if _look(opened, database, choices)[0] != found and not while_running:
                    raise Failure(
                        "it has changed since the report: look again; nothing was written"
                    )
                _apply(plan, opened, database)
        except SourceError as error:
            raise Failure(str(error)) from error


def _choices(name: str, rate: Decimal | None, base_url: str | None, database: Database) -> Choices:
    from relay.channels.checks import normalised_base_url
    from relay.desk.moving.plan import Choices

    currency = database.settings.currency
    if rate is None and currency != USD:
        raise click.UsageError(
            f"RELAY_CURRENCY is {currency} and new-api counts in dollars: say --rate, how much of"
            f" {currency} a dollar is."
        )
    try:
        url = None if base_url is None else normalised_base_url(base_url)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--base-url'") from error
    return Choices(name, currency, Decimal(1) if rate is None else rate, url)


def _look(source: Source, database: Database, choices: Choices) -> tuple[Installation, Plan]:
    from relay.new_api.installation import read_installation

    found = read_installation(source)
    settings = database.settings

    async def work(session: AsyncSession) -> Plan:
        from relay.desk.moving.make import plan_move
        from relay.pricing.quote import UnitPrices

        return await plan_move(
            *(session, database.keys, found, choices),
            zone=settings.zone,
            units=UnitPrices(*settings.unit_prices_micros),
        )

    return found, database.read(work)


def _count_tasks(source: Source) -> int:
    from relay.new_api.installation import read_ended_tasks

    return sum(1 for _ in read_ended_tasks(source))


def _show(plan: Plan, tasks: int, form: str, *, is_applied: bool) -> None:
    if form == "json":
        print_json(described(plan, tasks) | {"is_applied": is_applied})
        return
    report(plan, tasks)
    if not is_applied:
        note("\nNothing was written. --apply does it.")


def _refuse_at_work(plan: Plan, *, while_running: bool) -> None:
    if plan.is_at_rest or while_running:
        return
    why = f"{len(plan.running)} tasks run there" if plan.running else "it was used a moment ago"
    raise Failure(
        f"{why}: let them end and stop it, since what it still takes from balances would be lost;"
        " nothing was written. --while-running does it all the same"
    )


def _apply(plan: Plan, source: Source, database: Database) -> None:
    from relay.desk.moving.plan import Verdict
    from relay.desk.moving.steps import (
        channel_step,
        code_steps,
        model_steps,
        price_steps,
        tenant_steps,
    )

    left: list[str] = []
    for line in plan.channels:
        if line.verdict is Verdict.NEW:
            with _noting(left, line.name):
                base_url = line.base_url or _host_of(line)
                database.act(channel_step(line, database.keys, base_url).work)
    for step in (*model_steps(plan), *price_steps(plan)):
        with _noting(left, step.what):
            database.act(step.work)
    for number, step in enumerate(tenant_steps(plan, database.keys), 1):
        with _noting(left, step.what):
            database.act(step.work)
        if number % TOLD_EVERY == 0:
            note(f"{number} tenants")
    for step in code_steps(plan):
        with _noting(left, step.what):
            database.act(step.work)
    for step in _task_steps(plan, source, database):
        with _noting(left, step.what):
            database.act(step.work)
    if left:
        note("\n".join(left))
        raise Failure(
            f"{len(left)} of it could not be done, all else is: run it again for the rest"
        )
    note("Done. `relay audit` recomputes the books; run this again to see that nothing is left.")


@contextmanager
def _noting(left: list[str], what: str) -> Iterator[None]:
    """Do one piece; what fails is told at the end, and keeps no other from being done."""
    try:
        yield
    except Failure as failure:
        left.append(f"{what}: {failure}")


def _host_of(line: object) -> str:
    """Find the host of Kling's that takes a channel's keys."""
    from relay.cli.channel_keys import find_host
    from relay.desk.moving.plan import ChannelLine
    from relay.kling.way import Way

    assert isinstance(line, ChannelLine), "of a plan"
    assert line.keys is not None, "a line to be done has keys"
    return find_host(line.keys, None if line.proxy is None else Way(line.proxy))


def _task_steps(plan: Plan, source: Source, database: Database) -> Iterator[Step]:
    from relay.desk.moving.steps import task_steps, tenants_by_user
    from relay.new_api.installation import read_ended_tasks

    name = plan.choices.source
    tenants = database.read(lambda session: tenants_by_user(session, name))
    yield from task_steps(read_ended_tasks(source), tenants, name)
