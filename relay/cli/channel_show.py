"""`relay channel show`: one channel, and what its last trial saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.channel_rows import described, shortened
from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, moment, print_json, print_pairs, yes_no
from relay.cli.trial_report import confirmations, print_report, report_option, write_report

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.channels.tables import Channel


@click.command()
@click.argument("name", help="The channel's name.")
@report_option
@json_option
@examples("relay channel show main", "relay channel show main --report main.json    # to send on")
def show(name: str, path: Path | None, *, as_json: bool) -> None:
    """Show one channel without its keys, and what `relay channel try` last saw of it."""
    import msgspec

    from relay.trial.report import TrialReport

    async def work(session: AsyncSession) -> Channel:
        from relay.desk.find import channel_named

        return await channel_named(session, name)

    with open_database() as database:
        row = database.read(work)
    report = None if row.trial is None else msgspec.convert(row.trial, TrialReport)
    if path is not None:
        if report is None:
            raise Failure(f"there is no report: '{name}' was never tried: {_how_to_try(row)}")
        write_report(report, path)
    if as_json:
        print_json(described(row) | {"trial": row.trial})
        return
    print_pairs(
        [
            ("channel", row.name),
            ("base URL", row.base_url),
            ("enabled", yes_no(row.enabled)),
            ("priority", f"{row.priority}, weight {row.weight}"),
            ("access key", shortened(row.access_key) or "-"),
            ("API key", yes_no(row.api_key_sealed)),
            ("webhook secret", yes_no(row.webhook_secret_sealed)),
            ("last callback", moment(row.callback_at)),
        ]
    )
    click.echo()
    for line in confirmations(row):
        click.echo(line)
    if report is None:
        click.echo(f"It was never tried: {_how_to_try(row)}")
    else:
        click.echo()
        print_report(report)


def _how_to_try(row: Channel) -> str:
    return f"`relay channel try {row.name} --max-cost AMOUNT`"
