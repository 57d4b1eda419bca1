"""`relay check`: what works, what will bite, and what to do about it. It changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, print_json, print_table

if TYPE_CHECKING:
    from relay.desk.check.finding import Finding


@click.command()
@json_option
@examples("relay check", "sudo relay check", "relay check --json | jq '.findings[]'")
def check(*, as_json: bool) -> None:
    """See whether settings, database, keys, clock, callbacks and disk are as they should be.

    Changes nothing, and may run beside live traffic. Exit code 0: nothing is bad, though there may
    be warnings; 1: something is.
    """
    from relay.cli.check.examine import examine
    from relay.desk.check.business import worst_of
    from relay.desk.check.finding import Level

    findings = examine()
    worst = worst_of(findings)
    if as_json:
        print_json({"level": worst, "findings": findings})
    else:
        _print(findings)
    bad = [found.subject for found in findings if found.level is Level.BAD]
    if bad:
        raise Failure(f"{len(bad)} of {len(findings)} checks bad: {', '.join(bad)}")


def _print(findings: list[Finding]) -> None:
    print_table(
        ["", "check", "found"],
        [(found.level.value, found.subject, found.said) for found in findings],
        empty="",
    )
    wanted = [found for found in findings if found.to_do]
    if wanted:
        click.echo("\nWhat to do")
        for found in wanted:
            click.echo(f"  {found.subject}: {found.to_do}")
