"""What `relay token add` and `set` bound a key by."""

from typing import Any

import pytest

from tests.cli.command import Command


def test_a_key_is_made_with_bounds_and_they_are_changed(relay: Command) -> None:
    """In one command, all or nothing; `all` and `none` take them away."""
    relay("tenant", "add", "acme")
    relay(
        *("token", "add", "acme", "--name", "ci", "--expires", "90d", "--limit-month", "100"),
        *("--models", "kling-v3,kling-v2-6", "--ip", "203.0.113.7", "--endpoints", "text2video"),
    )

    def token() -> dict[str, Any]:
        (one,) = relay.json("token", "list", "acme")
        return {name: one[name] for name in ("name", "addresses", "endpoints", "models")}

    assert token() == {
        "name": "ci",
        "addresses": ["203.0.113.7/32"],
        "endpoints": ["text2video"],
        "models": ["kling-v2-6", "kling-v3"],
    }
    assert [one["allowed"] for one in relay.json("limit", "list")] == [100_000_000]

    shown = relay("token", "set", "1", "--models", "all", "--limit-month", "none").stdout
    assert "models" not in shown
    assert "203.0.113.7/32" in shown
    relay("token", "set", "1", "--ip", "all", "--endpoints", "all", "--expires", "none")
    relay("token", "set", "1", "--name", "none", "--queue", "5m")
    assert token() == {"name": None, "addresses": None, "endpoints": None, "models": None}
    assert relay.json("limit", "list") == []
    assert "limit day  5" in relay("token", "set", "1", "--limit-day", "5").stdout
    relay("token", "set", "1", "--limit-day", "none")
    bounded = relay("limit", "set", "acme", "--models", "kling-v3", "--day", "9").stdout
    assert "models  kling-v3" in bounded
    assert "9" in bounded
    relay("limit", "set", "acme", "--day", "none")

    (before,) = relay.json("token", "list", "acme")
    new = relay.json("token", "rotate", "1")
    (after,) = relay.json("token", "list", "acme")
    assert (new["id"], new["access_key"]) == (1, after["access_key"])
    assert before["access_key"] != after["access_key"]
    assert after["old_keys_until"] > before["created_at"]
    relay("token", "revoke", "1")
    assert "it was revoked" in relay.refused("token", "rotate", "1", code=1)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--ip", "here"), 1, "no address or network"),
        (("--endpoints", "text2vide"), 1, "text2video"),
        (("--expires", "2020-01-01"), 1, "still to come"),
        (("--limit-rate", "-1"), 2, "--limit-rate"),
    ],
)
def test_a_key_with_bounds_that_cannot_be_is_not_made(
    relay: Command, options: tuple[str, ...], code: int, said: str
) -> None:
    relay("tenant", "add", "acme")

    assert said in relay.refused("token", "add", "acme", *options, code=code)
    assert relay.json("token", "list") == []
