"""`relay usage`, as a person at a terminal has it."""

from datetime import UTC, datetime

import pytest

from relay.cli.usage import print_usage
from relay.usage.sums import Usage
from tests.cli.command import Command


def test_usage_of_nothing_says_so_and_of_wrong_days_why(relay: Command) -> None:
    """An empty month is an empty list; what cannot be meant is one sentence, exit code 2."""
    relay("tenant", "add", "acme", "--quota", "5")
    today = f"{datetime.now(UTC):%Y-%m-%d}"

    assert relay.json("usage", "--by", "tenant", "--by", "day") == []
    assert relay.json("usage", "--from", today, "--to", today, "--tenant", "acme") == []
    assert "Nothing was made" in relay("usage", "--month", "2026-11").stderr
    refused = {
        ("--month", "2026-13"): "'2026-13' is no month such as 2026-11.",
        ("--from", "26.11.2026"): "is no day such as 2026-11-26",
        ("--from", "2026-11-02", "--to", "2026-11-01"): "is before --from",
        ("--month", "2026-11", "--from", "2026-11-02"): "Say a --month, or --from",
        ("--to", "2026-11-02"): "Say --from when",
        ("--by", "hour"): "'hour' is not one of",
    }
    for options, said in refused.items():
        assert said in relay.refused("usage", *options, code=2)
    assert "there is no tenant 'acmee'" in relay.refused("usage", "--tenant", "acmee")


def test_what_sub_tenants_paid_stands_beside_what_the_account_did(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a column of its own, where there is a difference at all."""
    figures = {name: 0 for name in Usage.__struct_fields__ if name != "keys"}
    alone = Usage(keys={"tenant": "acme"}, **figures | {"charged_micros": 5, "resold_micros": 5})
    below = Usage(keys={"tenant": "acme/eu"}, **figures | {"charged_micros": 5, "resold_micros": 7})

    print_usage([alone], ["tenant"], "USD")
    without = capsys.readouterr().out
    print_usage([alone, below], ["tenant"], "USD")
    with_them = capsys.readouterr().out

    assert "resold" not in without
    assert "resold" in with_them
    assert with_them.splitlines()[-1].split()[-4:-2] == ["0.000005", "0.000007"]
