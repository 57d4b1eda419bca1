"""Alerts as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.show import moment, note, print_table, printable
from relay.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relay.alerts.read import ListedRule, Standing


def print_alerts(found: Standing) -> None:
    """Print the rules, what fires in words, and the places."""
    rules = sorted(found.rules, key=lambda rule: rule.state != "firing")
    print_table(
        ["rule", "", "state", "since", "last message", "muted until", "fires"],
        [
            (
                rule.name,
                rule.severity,
                rule.state,
                moment(rule.since),
                moment(rule.told_at),
                moment(rule.muted_until),
                _spell_bound(rule),
            )
            for rule in rules
        ],
        empty="",
    )
    for line in _firing(rules):
        click.echo(line)
    click.echo()
    print_table(
        [">place", "where", "gets", "last arrived", "trouble"],
        [
            (
                str(place.id),
                place.shown,
                "pages" if place.least == "page" else "all",
                moment(place.arrived_at),
                place.error or "-",
            )
            for place in found.places
        ],
        empty="Nobody is told: `relay alert add URL` adds a place.",
    )
    if all(rule.checked_at is None for rule in rules):
        note("No worker has judged them yet: `relay serve` and `relay worker` do, each minute.")


def _spell_bound(rule: ListedRule) -> str:
    if rule.bound is None:
        return "-"
    own = "" if not rule.is_own else " (set)"
    return f"{rule.word} {plain(rule.bound)} {rule.unit}{own}"


def _firing(rules: list[ListedRule]) -> Iterator[str]:
    for rule in rules:
        if rule.found:
            yield f"\n{rule.name}: {rule.title}"
            for name, said in rule.found.items():
                yield printable(f"  {name}: {said}" if name else f"  {said}")
        if rule.error is not None:
            yield f"\n{rule.name} could not be judged: {printable(rule.error)}"
