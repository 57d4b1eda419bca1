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

    from relay.channels.opened import OpenedChannel
    from relay.channels.tables import Channel
    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.kling.transport import Transport
    from relay.trial.plan import Trial
    from relay.trial.report import CallbackSeen
    from relay.trial.run import Tried

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
    from relay.desk.at_kling import opened_named
    from relay.desk.trials import note_trial

    with open_database() as database:
        opened, prefix = database.read(lambda session: opened_named(session, database.keys, name))
        trial = _chosen(opened, database, endpoint, max_cost)
        tried = _run(database, opened, trial, prefix, wait_s=wait_s, max_cost=max_cost)

        async def keep(session: AsyncSession, actor: Actor) -> Channel:
            return await note_trial(
                session,
                actor,
                name,
                tried.report,
                injected_id=tried.injected_id,
                base_url=opened.base_url,
            )

        row = database.act(keep)
    if path is not None:
        write_report(tried.report, path)
    if as_json:
        print_json(tried.report)
    else:
        print_report(tried.report)
        for line in confirmations(row):
            note(line)
    if differing := tried.report.differing:
        words = "; ".join(one.about for one in differing)
        raise Failure(f"Kling does not do as relied on: {words}")


def _chosen(
    opened: OpenedChannel, database: Database, endpoint: str | None, max_cost: int
) -> Trial:
    from relay.pricing.quote import UnitPrices
    from relay.trial.plan import trials, units_of

    currency = database.settings.currency
    video, image = database.settings.unit_prices_micros
    possible = trials(opened, UnitPrices(video_micros=video, image_micros=image))
    if endpoint is not None:
        possible = [one for one in possible if one.endpoint.name == endpoint]
    if not possible:
        raise Failure(f"the channel has no API key, which {endpoint or 'a trial'} needs")
    trial = possible[0]
    cost = trial.quote.hold_micros
    shown = f"{money(cost, currency)} ({units_of(trial)})"
    if cost > max_cost:
        raise Failure(
            f"{trial.endpoint.name} with {trial.model} costs {shown} by Kling's list, more than"
            f" --max-cost {money(max_cost, currency)}. Nothing was sent"
        )
    note(f"It will cost {shown} by Kling's list, paid by the account of '{opened.name}'.")
    if 2 * cost <= max_cost:
        note("Should Kling take the same external id twice, it will cost twice as much.")
    return trial


def _run(
    database: Database,
    opened: OpenedChannel,
    trial: Trial,
    prefix: str,
    *,
    wait_s: float,
    max_cost: int,
) -> Tried:
    """Try; what goes on is told on stderr."""
    import httpx

    from relay.database.engine import open_engine, open_sessions
    from relay.kling.httpx_transport import HttpxTransport
    from relay.sandbox.app import create_sandbox
    from relay.sandbox.settings import SandboxSettings
    from relay.tasks.callback_path import CallbackPaths
    from relay.trial.callbacks import read_trial_callbacks
    from relay.trial.observe import TrialFailed, TrialRules
    from relay.trial.run import try_channel as run_trial

    public_url = database.settings.public_url
    paths = CallbackPaths(database.keys, public_url.rstrip("/") if public_url else None)

    async def run() -> Tried:
        engine = open_engine(database.url, connections=1)
        sessions = open_sessions(engine)
        transport: Transport = HttpxTransport()
        kling = create_sandbox(SandboxSettings(task_seconds=0.5, public_url=SANDBOX_URL))
        beside = HttpxTransport(httpx.ASGITransport(app=kling))  # type: ignore[arg-type]  # a Litestar is an ASGI app

        async def read(injected_id: str, since: float) -> list[CallbackSeen]:
            async with sessions() as session:
                return await read_trial_callbacks(session, injected_id, since=since)

        try:
            return await run_trial(
                transport,
                opened,
                trial,
                prefix=prefix,
                callback_url=lambda injected_id: paths.url(injected_id, opened.id),
                read_callbacks=read,
                with_duplicate=2 * trial.quote.hold_micros <= max_cost,
                sandbox=(beside, _sandbox_channel()),
                rules=TrialRules(wait_s=wait_s),
                tell=lambda text: note(f"… {text}"),
            )
        finally:
            await transport.aclose()
            await beside.aclose()
            await engine.dispose()

    try:
        return asyncio.run(run())
    except TrialFailed as error:
        raise Failure(f"{error}. Nothing is noted of this trial") from error


SANDBOX_URL = "http://kling.sandbox"


def _sandbox_channel() -> OpenedChannel:
    from relay.channels.opened import OpenedChannel
    from relay.sandbox.settings import DEFAULT_ACCOUNT

    return OpenedChannel(
        id=0,
        name="sandbox",
        base_url=SANDBOX_URL,
        access_key=DEFAULT_ACCOUNT.access_key,
        secret_key=DEFAULT_ACCOUNT.secret_key,
        api_key=DEFAULT_ACCOUNT.api_key,
        is_sandbox=True,
    )
