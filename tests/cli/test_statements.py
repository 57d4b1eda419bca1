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
    assert "the month has not begun" in relay("statement", "acme", "2199-01").stdout
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
    assert (
        "Owed to tenants by now, as it is not over: 12.499999 USD; owed by tenants: 0 USD."
        in told.stdout
    )
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{form}"
        for name in (f"month-{month}", f"statement-{month}-{number}-acme")
        for form in ("csv", "html", "xlsx")
    }

    given = relay.json("tenant", "set", "acme", "--credit", "20.5", "--reason", "pays by the month")
    assert (given["credit_micros"], given["available_micros"]) == (20_500_000, 32_999_999)
    listed = relay("tenant", "list").stdout
    assert "20.5 USD" in listed
    relay("tenant", "adjust", "acme", "-20", "--reason", "used")
    owing = json.loads(relay("statement", "acme", month, "--format", "json").stdout)
    assert (owing["owed_micros"], owing["credit_now_micros"]) == (7_500_001, 20_500_000)
    assert "7.500001" in relay("statement", "acme", month).stdout
    told = relay("month", month, "--out", str(folder), "--format", "json")
    assert (
        "Owed to tenants by now, as it is not over: 0 USD; owed by tenants: 7.500001 USD."
        in told.stdout
    )
    whole = json.loads((folder / f"month-{month}.json").read_text())
    assert (whole["owed_to_tenants_micros"], whole["owed_by_tenants_micros"]) == (0, 7_500_001)
    assert "go together" in relay.refused("tenant", "set", "acme", "--credit", "5", code=2)
    assert "which it owes" in relay.refused("tenant", "remove", "acme", "--yes")

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
