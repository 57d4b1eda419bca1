"""`relay usage`, as a person at a terminal has it."""

from datetime import UTC, datetime

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
