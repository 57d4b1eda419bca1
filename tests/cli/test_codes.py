"""`relay code`, as a person at a terminal has it."""

import csv
import io
from pathlib import Path

from tests.cli.command import Command


def test_codes_are_shown_once_redeemed_once_and_taken_back(relay: Command, tmp_path: Path) -> None:
    """As CSV, to stdout or a new file; a list says what became of them, and never shows one."""
    relay("tenant", "add", "acme")
    relay("tenant", "add", "beta")
    named = ("code", "make", "--name", "spring", "--amount", "50", "--count", "3")
    made = relay(*named, "--expires", "2100-01-01")
    rows = list(csv.DictReader(io.StringIO(made.stdout.removeprefix("\ufeff"))))
    first, second, third = (row["code"] for row in rows)
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert {(row["amount"], row["currency"]) for row in rows} == {("50", "USD")}
    assert "not shown again" in made.stderr
    assert "there is a batch of codes 'spring' already" in relay.refused(*named, "--expires", "1d")
    assert "spring" in relay("code", "list").stdout

    out = tmp_path / "gift.csv"
    given = ("code", "make", "--name", "gift", "--amount", "5", "--bonus", "--expires", "none")
    relay(*given, "--out", str(out))
    assert (out.stat().st_mode & 0o777, len(out.read_text().splitlines())) == (0o600, 2)
    assert "nothing was written" in relay.refused(*given, "--out", str(out))
    assert "must be more than 0" in relay.refused(
        *("code", "make", "--name", "none", "--amount", "0", "--expires", "none"), code=2
    )

    assert "50 USD added to acme" in relay("code", "redeem", "acme", "-", stdin=first).stdout
    assert "added nothing" in relay("code", "redeem", "acme", first.lower()).stdout
    refused = relay.refused("code", "redeem", "beta", first)
    assert "'acme' has redeemed it" in refused
    assert first not in refused
    assert "there is no code '…7777'" in relay.refused("code", "redeem", "beta", "7" * 25)
    entry = relay.json("entry", "list", "--tenant", "acme")[0]
    assert (entry["topup_kind"], entry["reference"], entry["amount_micros"]) == (
        *("paid", "code spring 1"),
        50_000_000,
    )

    assert relay.json("code", "revoke", "spring", "--code", "2", "--yes")["revoked"] == [2]
    assert "it was redeemed" in relay.refused("code", "revoke", "spring", "--code", "1", "--yes")
    assert "1 code of spring revoked" in relay("code", "revoke", "spring", "--yes").stdout
    for code in (second, third):
        assert "it was revoked" in relay.refused("code", "redeem", "beta", code)
    assert "`relay code list` shows them" in relay.refused("code", "show", "autumn")
    shown = relay("code", "show", "spring").stdout
    assert [word in shown for word in ("redeemed", "revoked", "acme", first)] == [True] * 3 + [
        False
    ]
    (gift, spring) = relay.json("code", "list")
    assert (spring["redeemed"], spring["revoked"], spring["free"]) == (1, 2, 0)
    assert (gift["free_micros"], gift["topup_kind"], gift["expires_at"]) == (
        5_000_000,
        "bonus",
        None,
    )
    done = [row["act"] for row in relay.json("changes", "list")]
    assert done == [
        *("code.revoke", "code.revoke", "code.redeem", "code.make", "code.make"),
        *("tenant.open", "tenant.open"),
    ]
    assert relay("audit").exit_code == 0
