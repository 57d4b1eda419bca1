"""`relay statement` and `relay month`, as a person at a terminal has them."""

import json
from datetime import UTC, datetime
from pathlib import Path

from relay.months import month_of
from tests.cli.command import Command


def test_a_month_is_shown_written_and_not_closed_before_it_is_over(
    relay: Command, tmp_path: Path
) -> None:
    """A statement in each format, all of them in a folder, and what cannot be meant refused."""
    relay("tenant", "add", "acme", "--quota", "10")
    relay("tenant", "topup", "acme", "2.5", "--kind", "bonus", "--ref", "gift")
    relay("tenant", "adjust", "acme", "-0.000001", "--reason", "a micro")
    month = str(month_of(datetime.now(UTC), UTC))
    before = str(month_of(datetime.now(UTC), UTC).previous)

    shown = relay("statement", "acme", month)
    assert "12.499999" in shown.stdout
    assert "the month is not over" in shown.stdout
    assert "recomputed from the entries" in shown.stderr
    said = json.loads(relay("statement", "acme", month, "--format", "json").stdout)
    assert (said["paid_micros"], said["bonus_micros"], said["adjust_micros"]) == (
        *(10_000_000, 2_500_000),
        -1,
    )
    number = str(said["account_id"])
    assert f'"{number}","{month}","Closing"' in (
        relay("statement", "show", number, month, "--format", "csv").stdout
    )

    folder = tmp_path / "books"
    told = relay("month", month, "--out", str(folder))
    assert "Owed to tenants at its end: 12.499999 USD; owed by tenants: 0 USD." in told.stdout
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{form}"
        for name in (f"month-{month}", f"statement-{month}-{number}-acme")
        for form in ("csv", "html", "xlsx")
    }

    assert "it is not over" in relay.refused(
        "statement", "close", month, "--account", "acme", "--yes"
    )
    assert relay.json("statement", "close", before, "--yes") == {}
    assert "say --out FILE" in relay.refused(
        *("statement", "acme", month, "--format", "xlsx"), code=2
    )
    assert "there is no account 'acmee'" in relay.refused("statement", "acmee", month)
    assert "is no month such as 2026-11" in relay.refused("statement", "acme", "Nov", code=2)
    assert "could not be written" in relay.refused(
        *("month", month, "--out", str(folder / f"month-{month}.csv" / "x"))
    )
