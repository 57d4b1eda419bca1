"""`relay channel show`: one channel, and what its last trial saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.channel_rows import (
    delay_word,
    described,
    room_word,
    success_word,
)
from relay.cli.channel_way import shown_way
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, moment, print_json, print_pairs, print_table, yes_no
from relay.cli.trial_report import confirmations, print_report, report_option, write_report
from relay.money import plain

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.tables import Channel
    from relay.health.read import Event, Standing, Units
    from relay.trial.kept import ShownTrial


@click.command()
@click.argument("name", help="The channel's name.")
@report_option
@json_option
@examples("relay channel show main", "relay channel show main --report main.json    # to send on")
def show(name: str, path: Path | None, *, as_json: bool) -> None:
    """Show one channel without its keys, and what `relay channel try` last saw of it."""
    import msgspec

    from relay.desk.shown import shortened
    from relay.trial.report import TrialReport

    async def work(
        session: AsyncSession,
    ) -> tuple[Channel, Standing, list[Event], ShownTrial | None]:
        from relay.desk.find import channel_named
        from relay.health.read import read_events, read_standings
        from relay.trial.kept import read_last_trial

        row = await channel_named(session, name)
        standings = await read_standings(session, [row])
        events = await read_events(session, row.id)
        return row, standings[row.id], events, await read_last_trial(session, row.id)

    with open_database() as database:
        row, standing, events, last = database.read(work)
    report = None if row.trial is None else msgspec.convert(row.trial, TrialReport)
    if path is not None:
        if report is None:
            raise Failure(f"there is no report: '{name}' was never tried: {_how_to_try(row)}")
        write_report(report, path)
    if as_json:
        shown = described(row) | {"standing": standing, "events": events, "trial": row.trial}
        print_json(shown | {"last_trial": last})
        return
    print_pairs(
        [
            ("channel", row.name),
            ("base URL", row.base_url),
            ("state", _state_line(standing)),
            ("room", room_word(standing)),
            *(("units", _units_line(units)) for units in standing.units),
            ("last hour", _hour_line(standing)),
            ("priority", f"{row.priority}, weight {row.weight}"),
            ("groups", ", ".join(row.groups) or "none: it serves who names none"),
            ("models", ", ".join(row.models) or "all"),
            ("access key", shortened(row.access_key) or "-"),
            ("API key", yes_no(row.api_key_sealed)),
            ("webhook secret", yes_no(row.webhook_secret_sealed)),
            *shown_way(row),
            ("last callback", moment(row.callback_at)),
        ]
    )
    _print_parts(standing)
    _print_events(events)
    click.echo()
    for line in confirmations(row):
        click.echo(line)
    if last is not None and last.report is None:
        click.echo(_without_report(last))
    elif report is None:
        click.echo(f"It was never tried: {_how_to_try(row)}")
    if report is not None:
        click.echo()
        print_report(report)


def _without_report(last: ShownTrial) -> str:
    """Say how the last trial stands, or why it has seen nothing."""
    if last.failure is None:
        return f"It is being tried since {moment(last.begun_at)}: {last.step or 'it begins'}."
    return f"The last trial ({moment(last.begun_at)}) has no report: {last.failure}."


def _state_line(standing: Standing) -> str:
    since = "" if standing.since is None else f" since {moment(standing.since)}"
    reason = "" if standing.reason is None else f": {standing.reason}"
    return f"{standing.state}{since}{reason}"


def _units_line(units: Units) -> str:
    said = f"{plain(units.remaining)} {units.kind}"
    if units.days_left is not None:
        said += f", for {units.days_left} days at the rate of late"
    if units.expires_at is not None:
        said += f"; the first pack expires {moment(units.expires_at)}"
    return f"{said} (read {moment(units.read_at)})"


def _hour_line(standing: Standing) -> str:
    if not standing.ended:
        return "no task ended"
    return f"{success_word(standing)} succeeded, in {delay_word(standing)}"


def _print_parts(standing: Standing) -> None:
    """Show what keeps it from new tasks, or did so last."""
    if not standing.parts:
        return
    click.echo()
    print_table(
        ["of", "state", "since", ">room", "tried again", "last error"],
        [
            (
                _of(part.pack, part.model),
                part.state,
                moment(part.since),
                "-" if part.room is None else str(part.room),
                "-" if part.state == "ok" else moment(part.try_at),
                f"{moment(part.failed_at)} {part.reason}",
            )
            for part in standing.parts
        ],
        empty="",
    )


def _print_events(events: list[Event]) -> None:
    if not events:
        return
    click.echo()
    print_table(
        ["at", "of", "was", "became", "because"],
        [
            (
                moment(event.at),
                _of(event.pack, event.model),
                event.before,
                event.state,
                "-" if event.state == "ok" else event.reason,
            )
            for event in events
        ],
        empty="",
    )


def _of(pack: str | None, model: str | None) -> str:
    return "/".join(filter(None, (pack, model))) or "all of it"


def _how_to_try(row: Channel) -> str:
    return f"`relay channel try {row.name} --max-cost AMOUNT`"
