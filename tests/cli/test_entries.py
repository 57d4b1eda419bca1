"""`relay entry list` and the kinds of top-ups, as a person at a terminal has them."""

import csv
import io
from pathlib import Path

import msgspec

from relay.cli.listing import AT_ONCE
from relay.desk.shown import ShownChange
from relay.tasks.inspect import ListedTask
from relay.usage.columns import head
from relay.usage.entries import ListedEntry
from tests.cli.command import Command, execute


def test_entries_are_listed_with_the_quota_after_them(relay: Command) -> None:
    """Newest first; a gift, a correction below zero, and each filter."""
    relay("tenant", "add", "acme", "--quota", "100")
    relay("tenant", "add", "beta", "--quota", "3")
    relay("tenant", "topup", "acme", "5", "--kind", "bonus", "--ref", "welcome")
    relay(
        *("tenant", "topup", "acme", "-25.5", "--kind", "correction", "--ref", "was 74.5"),
        *("--reason", "typed twice"),
    )
    relay("tenant", "adjust", "acme", "-0.000001", "--reason", "a micro")

    listed = relay.json("entry", "list", "--tenant", "acme")

    shown = ("kind", "topup_kind", "amount_micros", "quota_after_micros", "reference", "reason")
    assert [tuple(row[field] for field in shown) for row in listed] == [
        ("adjust", None, -1, 79_499_999, None, "a micro"),
        ("topup", "correction", -25_500_000, 79_500_000, "was 74.5", "typed twice"),
        ("topup", "bonus", 5_000_000, 105_000_000, "welcome", None),
        ("topup", "paid", 100_000_000, 100_000_000, "opening", None),
    ]
    assert {row["tenant"] for row in listed} == {"acme"}
    assert all(row["actor"].startswith("system:") for row in listed)

    def ids(*options: str) -> list[int]:
        return [row["id"] for row in relay.json("entry", "list", *options)]

    adjusted, corrected, given, opened = (row["id"] for row in listed)
    account = str(listed[0]["account_id"])
    at = listed[1]["created_at"]
    assert ids("--account", account) == [adjusted, corrected, given, opened]
    assert ids("--kind", "adjust") == [adjusted]
    assert ids("--topup", "bonus") == [given]
    assert len(ids("--topup", "paid")) == 2
    assert ids("--since", at, "--tenant", "acme") == [adjusted, corrected]
    assert ids("--until", at, "--tenant", "acme") == [corrected, given, opened]
    assert ids("--reference", "was") == [corrected]
    assert ids("--reference", "w") == [corrected, given]
    assert ids("--actor", listed[0]["actor"].partition(":")[2], "--kind", "adjust") == [adjusted]
    assert ids("--actor", "nobody") == []
    assert ids("--before", str(given), "--account", account) == [opened]
    assert ids("--task", "1") == []
    assert "there is no tenant 'acmee'" in relay.refused("entry", "list", "--tenant", "acmee")

    table = relay("entry", "list", "--limit", "2")
    assert "topup, correction" in table.stdout
    assert "79.499999" in table.stdout
    assert f"--before {corrected}" in table.stderr


def test_a_reference_of_another_kind_is_refused(relay: Command) -> None:
    """A gift under the reference of a payment is a mistake, and nothing is added."""
    relay("tenant", "add", "acme")
    relay("tenant", "topup", "acme", "5", "--ref", "r1")

    message = relay.refused("tenant", "topup", "acme", "5", "--kind", "bonus", "--ref", "r1")

    assert "already used to add 5 USD (paid)" in message
    assert relay.json("tenant", "list")[0]["quota_micros"] == 5_000_000


def test_a_list_is_written_as_the_office_has_it(relay: Command, tmp_path: Path) -> None:
    """All of it, over pages, as CSV and as an Excel file; `--limit` and `--before` hold."""
    relay("tenant", "add", "=acme", "--quota", "100")
    execute(
        relay,
        "INSERT INTO changes (actor, origin, act, subject_kind, subject)"
        " SELECT 'system:ann', '', 'tenant.open', 'tenant', 'x'"
        f" FROM generate_series(1, {AT_ONCE})",
    )
    nouns: dict[str, tuple[type[msgspec.Struct], int]] = {
        "entry": (ListedEntry, 1),
        "changes": (ShownChange, AT_ONCE + 1),
        "task": (ListedTask, 0),
    }
    for noun, (row, count) in nouns.items():
        spelt = relay(noun, "list", "--format", "csv").stdout
        rows = list(csv.reader(io.StringIO(spelt.removeprefix("\ufeff"))))
        assert rows[0] == head(row)
        assert len(rows) == count + 1
        out = tmp_path / f"{noun}.xlsx"
        assert "Written to" in relay(noun, "list", "--format", "xlsx", "--out", str(out)).stderr
        assert out.read_bytes().startswith(b"PK")
    assert '"\'=acme"' in relay("entry", "list", "--format", "csv").stdout
    limited = relay("changes", "list", "--format", "csv", "--limit", "3", "--before", "3").stdout
    assert [line.split(",")[0] for line in limited.splitlines()[1:]] == ['"2"', '"1"']
    assert "say --out FILE" in relay.refused("task", "list", "--format", "xlsx", code=2)
    assert "Say which --format" in relay.refused("task", "list", "--out", "x", code=2)
    nowhere = str(tmp_path / "no" / "x.csv")
    assert "could not be written" in relay.refused(
        *("entry", "list", "--format", "csv", "--out", nowhere)
    )
