"""`relay recover`: what was lost when the database was set back, and what a person has to do."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, moment, note, print_json, print_table
from relay.cli.window import Moment
from relay.money import money, plain, rounded

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.backups.lost import LostTask, Recovered, SetBack
    from relay.channels.opened import OpenedChannel
    from relay.cli.database import Database
    from relay.cli.window import Span
    from relay.desk.tables import Change
    from relay.pricing.quote import UnitPrices

BY_HAND = {
    "tenant.top_up": "top-ups: compare with what was paid; a reference is never added twice",
    "tenant.adjust": "other changes of quota",
    "code.redeem": "codes that were redeemed: they are free again, as their quota is gone",
    "code.revoke": "codes that were revoked: they are free again until you revoke them again",
    "code.make": "codes that were made: whoever has one is refused; make others",
    "code.move_in": "codes that were taken over from another relay: import them again",
    "token.revoke": "revoked keys: they are good again until you revoke them again",
    "operator.revoke_token": "operators' tokens that were revoked: they are good again, likewise",
    "operator.remove": "operators that were removed: they are let in again",
    "operator.change": "operators' roles and ceilings: they are as they were",
    "operator.set_password": "passwords that were set: the former ones are good again",
    "operator.set_second_factor": "second factors that were set or taken away, likewise",
    "gate.set": "until when, from where, for what keys and tenants are let in",
    "tenant.set_credit": "how far below zero submits may take accounts",
    "limit.set": "limits of what tenants and keys may spend and run",
    "limit.raise": "limits that were raised for a while",
    "token.rotate": "keys that were given anew: the former ones are good again",
    "token.issue": "keys that were issued: their owners are refused; issue new ones",
    "tenant.open": "tenants that were opened",
    "sub_tenant.open": "tenants that were opened below others, by these too",
    "token.change": "what was set of single keys: how long their creates wait",
    "tenant.change": "tasks at a time, groups, names; tenants that were disabled are let in again",
    "tenant.remove": "tenants that were removed",
    "tenant.move_in": "tenants that were taken over from another relay: import them again",
    "task.move_in": "their tasks, likewise",
    "model.move_in": "names of models, likewise",
    "operator.add": "operators that were added",
    "operator.issue_token": "operators' tokens that were issued: they are refused; issue new ones",
    "tenant.issue_webhook_secret": "webhook secrets: callbacks are signed with the former one",
    "channel.add": "Kling accounts that were added: what was made there is not in this list",
    "channel.change": "keys of channels, priorities; channels that were disabled take tasks again",
    "channel.remove": "channels that were removed",
    "channel.set_cost": "what units were bought at",
    "channel.try": "trials: until one confirms it again, what has no verdict is kept for a day",
    "price.adopt": "Kling's newer list of prices, if it was adopted",
    "price.set": "prices that were set",
    "price.remove": "prices that were removed",
    "price.import": "files of prices that were put in force: import them again",
    "price.amounts": "whether multipliers apply to amounts",
    "multiplier.set": "multipliers that were set",
    "multiplier.end": "multipliers that were ended",
    "account.close_month": "months that were closed: a worker closes them again; compare them",
    "invoice.issue": "invoices that were issued: their numbers are in nobody's books now",
    "invoice.reverse": "invoices that were reversed",
    "invoice.request": "invoices that were requested",
    "invoice.reject": "invoices that were rejected",
    "invoice.set_profile": "to whom invoices go",
    "task.refund": "refunds",
    "task.settle": "tasks that were settled by hand",
    "task.release": "tasks that were released by hand",
    "pause.add": "pauses",
    "pause.end": "pauses that were ended",
    "owner.claim": "owners that were assigned",
    "secret_key.reseal": "secret keys that were rotated: keep the old one until that is done again",
    "secret_key.retire": "secret keys that were retired or given up: likewise",
    "notice.add": "where tenants are told of their business",
    "notice.remove": "places of tenants that are told nothing any more",
    "alert.add": "places that alerts go to",
    "alert.remove": "places that alerts went to: they are told again",
    "alert.set": "bounds of alerts",
}
"""Acts that are lost without a trace, the dearest first, and what follows from that."""


@click.command()
@click.option(
    "--since",
    type=Moment(),
    metavar="MOMENT",
    help="What was committed later is lost; else as `relay restore` noted it.",
)
@json_option
@examples("relay recover", "relay recover --since '2026-11-26 03:00Z' --json > lost.json")
def recover(since: Span | None, *, as_json: bool) -> None:
    """List what Kling made for this relay that its database does not know, and what to do again.

    Asks each channel's lists for external ids of ours, present and former ones, since the moment
    that the database was set back to. It costs nothing, changes nothing, and can be repeated; Kling
    forgets tasks after 30 days. Nobody was charged for those tasks, and their tenants cannot ask
    for them: what Kling took for them is yours. Synchronous calls leave nothing to list.

    Below them stands what nobody can look up: the last act of each kind that is still known. What
    you did after it is to be done again, from your own notes.
    """
    from relay.backups.lost import read_set_back

    with open_database() as database:
        set_back = database.read(read_set_back)
        start = since.start if since is not None else set_back.as_of
        if start is None:
            raise Failure(
                "this database was never set back, as far as it knows: say since when with"
                " --since MOMENT"
            )
        found = _find(database, set_back, since=start)
        acts = database.read(lambda session: _last_acts(session, start))
    if as_json:
        print_json(
            {
                "since": start,
                "set_back": set_back,
                "lost": found.lost,
                "not_asked": found.not_asked,
                "last_acts": {
                    act: row and {"at": row.at, "subject": row.subject, "change": row.id}
                    for act, row in acts.items()
                },
            }
        )
    else:
        _print(database, set_back, start, found, acts)
    if found.not_asked:
        where = ", ".join(f"{one.channel} {one.where}: {one.reason}" for one in found.not_asked)
        raise Failure(f"not all of Kling's lists could be read ({where}): run it again")


def _find(database: Database, set_back: SetBack, *, since: datetime) -> Recovered:
    from relay.backups.lost import find_lost
    from relay.channels.directory import read_channels
    from relay.database.engine import open_engine, open_sessions
    from relay.kling.httpx_transport import HttpxTransport
    from relay.kling.jwt import JwtCache
    from relay.tasks.upstream import Upstream

    async def opened(session: AsyncSession) -> list[OpenedChannel]:
        return await read_channels(session, database.keys)

    channels = database.read(opened)

    async def run() -> Recovered:
        engine = open_engine(database.url, connections=1)
        transport = HttpxTransport()
        upstream = Upstream(transport, JwtCache())
        try:
            return await find_lost(
                open_sessions(engine),
                upstream,
                catalogue(),
                channels,
                prefixes=set_back.prefixes,
                since=since,
            )
        finally:
            await upstream.aclose()
            await transport.aclose()
            await engine.dispose()

    return asyncio.run(run())


async def _last_acts(session: AsyncSession, until: datetime) -> dict[str, Change | None]:
    from relay.desk.changes import last_of_each_act

    last = {row.act: row for row in await last_of_each_act(session, until=until)}
    return {act: last.get(act) for act in BY_HAND}


def _print(
    database: Database,
    set_back: SetBack,
    since: datetime,
    found: Recovered,
    acts: dict[str, Change | None],
) -> None:
    from relay.pricing.quote import UnitPrices

    settings = database.settings
    video, image = settings.unit_prices_micros
    prices = UnitPrices(video_micros=video, image_micros=image)
    source = f", from {set_back.source}" if set_back.source else ""
    click.echo(f"Lost is what was committed after {moment(since)}{source}.\n")
    click.echo(f"What Kling made since, and nobody here knows: {len(found.lost)} tasks")
    print_table(
        ["created", "channel", "endpoint", "Kling's id", ">task then", "state", ">units", ">cost"],
        [_row(task, prices, settings.currency) for task in found.lost],
        empty="  none",
    )
    if found.lost:
        costs = [_cost_micros(task, prices) for task in found.lost]
        known = sum(cost for cost in costs if cost is not None)
        unknown = costs.count(None)
        more = f", and of {unknown} tasks Kling does not say" if unknown else ""
        click.echo(f"Together {money(known, settings.currency)} at Kling's list price{more}.")
        note("Who asked for one is in the log of that time, by `task then`, its id of then.")
    click.echo("\nWhat to do again by hand, if it was done after the last that is still known")
    print_table(
        ["what", "the last one known", "of", ">change"],
        [
            (
                what,
                moment(row.at if row else None),
                row.subject if row else "-",
                str(row.id if row else "-"),
            )
            for (what, row) in ((BY_HAND[act], acts[act]) for act in BY_HAND)
        ],
        empty="",
    )
    note("`relay changes show CHANGE` has all of one.")


def _row(task: LostTask, prices: UnitPrices, currency: str) -> tuple[str, ...]:
    units, cash = task.cost.units, task.cost.cash
    cost = _cost_micros(task, prices)
    shown = "-" if cost is None else money(cost, currency)
    if cash:
        shown = f"{'' if cost is None else shown + ' + '}{plain(cash)} {task.cost.currency or ''}"
    return (
        moment(task.created_at),
        task.channel,
        task.where,
        task.kling_id,
        str(task.task_id or "-"),
        task.status or "-",
        "-" if units is None else plain(units),
        shown.strip(),
    )


def _cost_micros(task: LostTask, prices: UnitPrices) -> int | None:
    """Say what its units are by Kling's list; None if Kling does not say, or of no pack we know."""
    from relay.pricing.book import Pack

    if task.cost.units is None or task.pack not in tuple(Pack):
        return None
    return rounded(task.cost.units * Decimal(prices.of(Pack(task.pack))))
