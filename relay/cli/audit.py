"""`relay audit`: recompute the books and name what differs."""

from __future__ import annotations

import rich_click as click

from relay.cli.database import open_database
from relay.cli.failure import Failure
from relay.cli.show import json_option, print_json, print_table


@click.command()
@json_option
def audit(*, as_json: bool) -> None:
    """Recompute all accounts from their entries and holds, beside live traffic.

    Reads one snapshot, and changes nothing but that `relay check` and the metrics know what it
    found. Exit code 0: the books are right; 1: they are not. Amounts are in micros
    (1 = 0.000001).
    """
    from sqlalchemy.exc import DBAPIError

    from relay.ledger.audits import note_audit
    from relay.usage.audit import audit_all as audit_books

    with open_database() as database:
        report = database.read(audit_books)
        try:
            database.act(lambda session, actor: note_audit(session, report, actor=str(actor)))
        except (Failure, DBAPIError) as error:  # a standby, or a role that may only read
            said = getattr(error, "orig", None) or error
            click.echo(f"What it found was not noted: {said}", err=True)
    if as_json:
        print_json(report)
    elif report.ok:
        click.echo(
            f"The books are right: {report.accounts} accounts, {report.tasks} tasks,"
            f" {report.entries} entries."
        )
    else:
        print_table(
            ["rule", "row", ">expected", ">found"],
            [
                (found.rule, found.row, _number(found.expected), _number(found.actual))
                for found in report.differences
            ],
            empty="",
        )
    if not report.ok:
        raise Failure(f"the books are wrong: {len(report.differences)} differences")


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
