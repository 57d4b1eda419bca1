"""What the demo prints at its end: tables for people, or the one JSON document."""

from typing import Any

import rich_click as click

from relay.cli.demo.books import Books, told_ends
from relay.cli.demo.story import Played
from relay.cli.demo.tenants import CURRENCY, DemoTenant
from relay.cli.show import print_json, print_table
from relay.money import decimal_of


def print_document(books: Books, refused: Played) -> None:
    """Print the result for programs; nothing else goes to stdout then."""
    tasks: list[dict[str, Any]] = [
        {
            "endpoint": row.endpoint,
            "id": row.id,
            "task_id": row.kling_id,
            "external_task_id": row.tenant_external_id,
            "status": row.state,
            "held_micros": row.hold_micros,
            "charged_micros": row.charged_micros or 0,
        }
        for row in books.tasks
    ]
    print_json(
        {
            "tasks": tasks,
            "accounts": books.accounts,
            "refusals": [{"http_status": refused.http_status, "code": refused.code}],
            "audit": books.audit,
        }
    )


def print_tables(books: Books, refused: Played, tenants: dict[str, DemoTenant]) -> None:
    """Print the result for people."""
    click.echo(f"\nTasks ({CURRENCY})\n")
    print_table(
        ["endpoint", "id", "Kling's id", "own id", "status", ">held", ">charged"],
        (
            [
                row.endpoint,
                str(row.id),
                row.kling_id or "-",
                row.tenant_external_id or "-",
                row.state,
                _amount(row.hold_micros),
                _amount(row.charged_micros or 0),
            ]
            for row in books.tasks
        ),
        empty="none",
    )
    click.echo(f"\nAccounts ({CURRENCY})\n")
    print_table(
        ["tenant", ">opening", ">charged", ">quota now", ">held now"],
        (
            [
                row.tenant,
                _amount(tenants[row.tenant].opening_micros),
                _amount(tenants[row.tenant].opening_micros - row.quota_micros),
                _amount(row.quota_micros),
                _amount(row.held_micros),
            ]
            for row in books.accounts
        ),
        empty="none",
    )
    click.echo(f"\nRefused:   {refused.http_status}/{refused.code} {refused.message}")
    successes = [row for row in books.tasks if row.state == "succeed"]
    click.echo(
        f"Callbacks: {len(books.tasks)} ends, told {len(told_ends(books.kling))} times;"
        f" {len(successes)} successes, charged {sum(len(row.charges) for row in books.tasks)} times"
    )
    audit = books.audit
    verdict = "ok" if audit.ok else f"{len(audit.differences)} differences"
    click.echo(
        f"Audit:     {verdict} ({audit.tasks} tasks, {audit.entries} entries,"
        f" {audit.accounts} accounts recomputed)"
    )
    for difference in audit.differences:
        click.echo(f"  {difference.row}: {difference.rule}, {difference}")


def _amount(micros: int) -> str:
    """Spell an amount with two places at least, so that a column can be read down."""
    whole, _, places = decimal_of(micros).partition(".")
    return f"{whole}.{places:0<2}"
