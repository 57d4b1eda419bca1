"""The report of a trial, printed for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.failure import Failure, reason
from relay.cli.show import moment, note, print_pairs, printable

if TYPE_CHECKING:
    from relay.channels.tables import Channel
    from relay.trial.report import TrialReport

MARKS = {"as relied on": "ok", "differs": "DIFFERS", "not seen": "not seen"}
LOOKUPS = {
    "query": "legacy tasks, by GET of the external id",
    "list": "legacy tasks without such a query, by their list",
    "2.0": "tasks of API 2.0",
    "solutions": "solutions",
}

report_option = click.option(
    "--report",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to this file too: it has no key, id or prompt, and may be sent on.",
)


def print_report(report: TrialReport) -> None:
    """Print what was seen, each beside what is relied on."""
    print_pairs(
        [
            ("tried", moment(report.at)),
            ("host", report.host),
            ("task", f"{report.endpoint}, {report.model}, {report.cost} by Kling's list"),
        ]
    )
    for finding in report.findings:
        click.echo(f"\n{MARKS[finding.outcome.value]:8}  {finding.about}")
        click.echo(f"          relied on  {printable(finding.relied_on)}")
        click.echo(f"          seen       {printable(finding.seen)}")
    click.echo("\nFields of the replies, beside the sandbox's")
    if not report.unlike_sandbox:
        click.echo("  the same")
    for unlike in report.unlike_sandbox:
        for word, paths in (("without", unlike.missing), ("with also", unlike.more)):
            if paths:
                shown = printable(", ".join(paths))
                click.echo(f"  {unlike.reply}: {word} {shown}")


def confirmations(row: Channel) -> list[str]:
    """Say by which lookups a missing task is believed to be missing."""
    if row.is_sandbox:
        return ["It is a sandbox: what it does not find, it does not have."]
    confirmed = [LOOKUPS.get(word, word) for word in row.confirmed_lookups]
    if not confirmed:
        unconfirmed = (
            "No lookup by our external id is confirmed: what Kling does not find is released after"
            " RELAY_UNCONFIRMED_LOST_AFTER_S only."
        )
        return [unconfirmed]
    return [f"Confirmed lookup: {words}." for words in confirmed]


def write_report(report: TrialReport, path: Path) -> None:
    """Write what may be sent on; Failure if it cannot be written."""
    import msgspec

    document = msgspec.json.format(msgspec.json.encode(report), indent=2)
    try:
        path.write_bytes(document + b"\n")
    except OSError as error:
        raise Failure(f"the report was kept, and not written to {path}: {reason(error)}") from error
    note(f"The report is in {path}.")
