"""What the demo prints at its end: tables for people, or the one JSON document."""

from typing import Any

import rich_click as click

from relay.cli.demo.books import Books
from relay.cli.demo.story import Played
from relay.cli.demo.tenants import CURRENCY, DemoTenant
from relay.cli.show import print_json, print_table
from relay.pricing.quote import decimal_of


def print_document(books: Books, refused: Played) -> None:
    """Print the result for programs; nothing else goes to stdout then."""
    tasks: list[dict[str, Any]] = [
        {
            "endpoint": row.endpoint,
            "id": row.id,
            "task_id": row.task_id,
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
        ["tenant", "endpoint", "id", "Kling's id", "own id", "status", ">held", ">charged"],
        (
            [
                row.tenant,
                row.endpoint,
                str(row.id),
                row.task_id or "-",
                row.tenant_external_id or "-",
                row.state,
                decimal_of(row.hold_micros),
                decimal_of(row.charged_micros or 0),
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
                decimal_of(tenants[row.tenant].opening_micros),
                decimal_of(tenants[row.tenant].opening_micros - row.quota_micros),
                decimal_of(row.quota_micros),
                decimal_of(row.held_micros),
            ]
            for row in books.accounts
        ),
        empty="none",
    )
    click.echo(f"\nRefused: HTTP {refused.http_status}, code {refused.code}, {refused.message}")
    audit = books.audit
    verdict = "ok" if audit.ok else f"{len(audit.differences)} differences"
    click.echo(
        f"Audit:   {verdict} ({audit.tasks} tasks, {audit.entries} entries,"
        f" {audit.accounts} accounts recomputed)"
    )
    for difference in audit.differences:
        click.echo(f"  {difference.row}: {difference.rule}, {difference}")
