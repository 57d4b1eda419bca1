"""`relay channel try`: whether Kling does, on this account, what the relay's money rests on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.parameters import Amount
from relay.cli.show import json_option, note, print_json
from relay.cli.trial_report import confirmations, print_report, report_option, write_report
from relay.money import money

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.tables import Channel
    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.desk.trials import BegunTrial
    from relay.trial.report import TrialReport

ENDPOINTS = ["generations", "text2video", "text-to-video"]
"""Of `trial/plan.py`; a test compares."""


@click.command("try")
@click.argument("name", help="The channel's name.")
@click.option(
    "--max-cost",
    type=Amount(least=0, is_above=True),
    required=True,
    metavar="AMOUNT",
    help="The most it may cost at Kling's list price, in the currency of the books.",
)
@click.option(
    "--endpoint",
    type=click.Choice(ENDPOINTS),
    help="What to make: an image, a video, or a video by API 2.0. Without it, the cheapest that"
    " the channel's keys allow.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1, 7200),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for its end.",
)
@report_option
@json_option
@examples(
    "relay channel try main --max-cost 0.05                        # an image",
    "relay channel try main --max-cost 0.50 --endpoint text2video  # a video of 5 s, made once",
)
def try_channel(
    name: str,
    max_cost: int,
    endpoint: str | None,
    wait_s: float,
    path: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make one real task on a channel's account, and say whether Kling does as relied on.

    Asks for a task that does not exist, sends a create that must be refused, makes the cheapest
    task that there is, looks for it by our external id, sends it again under the same id (if
    --max-cost is enough for two), watches it to its end, and counts the callbacks that
    `relay serve` receives meanwhile. It is paid by the account, and no tenant is charged.

    What it finds is kept with the channel. Once the lookup by our external id is confirmed, a
    submit without a verdict that Kling does not find is released after RELAY_LOST_AFTER_S instead
    of RELAY_UNCONFIRMED_LOST_AFTER_S. Exit code 1: something differs from what is relied on.
    """
    from relay.desk.trials import begin_trial

    async def begin(session: AsyncSession, actor: Actor) -> BegunTrial:
        return await begin_trial(
            *(session, actor, database.keys, database.settings, name),
            most_micros=max_cost,
            endpoint=endpoint,
            wait_s=wait_s,
        )

    with open_database() as database:
        begun = database.act(begin)
        _note_cost(begun, database.settings.currency)
        report, row = _run(database, begun)
    if path is not None:
        write_report(report, path)
    if as_json:
        print_json(report)
    else:
        print_report(report)
        for line in confirmations(row):
            note(line)
    if differing := report.differing:
        words = "; ".join(one.about for one in differing)
        raise Failure(f"Kling does not do as relied on: {words}")


def _note_cost(begun: BegunTrial, currency: str) -> None:
    from relay.trial.plan import units_of

    shown = f"{money(begun.trial.quote.hold_micros, currency)} ({units_of(begun.trial)})"
    note(f"It will cost {shown} by Kling's list, paid by the account of '{begun.opened.name}'.")
    if begun.with_duplicate:
        note("Should Kling take the same external id twice, it will cost twice as much.")


def _run(database: Database, begun: BegunTrial) -> tuple[TrialReport, Channel]:
    """Try; what goes on is told on stderr."""
    from relay.cli.words import worded
    from relay.database.engine import open_engine, open_sessions
    from relay.desk.errors import DeskError
    from relay.desk.trial_runs import TrialRuns
    from relay.kling.httpx_transport import HttpxTransport
    from relay.tasks.callback_path import CallbackPaths
    from relay.trial.observe import TrialFailed

    public_url = database.settings.public_url
    paths = CallbackPaths(database.keys, public_url.rstrip("/") if public_url else None)

    async def run() -> tuple[TrialReport, Channel]:
        engine = open_engine(database.url, connections=1)
        transport = HttpxTransport()
        runs = TrialRuns(open_sessions(engine), transport, paths)
        try:
            return await runs.run(begun, lambda text: note(f"… {text}"))
        finally:
            await transport.aclose()
            await engine.dispose()

    try:
        return asyncio.run(run())
    except TrialFailed as error:
        raise Failure(f"{error}. Nothing is noted of this trial but that") from error
    except DeskError as error:
        raise Failure(worded(error, database.settings.currency)) from error
