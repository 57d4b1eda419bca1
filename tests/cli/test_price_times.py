"""`relay price`: for whom and when, by the command: what is in force, will be, was, and why."""

from typing import Any

import pytest

from tests.cli.command import Command

V3 = ("text2video", "--model", "kling-v3", "--mode", "std", "--sound", "off")
LATER, LATEST = "2100-01-01", "2100-01-02"
SHANGHAI: dict[str, Any] = {"RELAY_TIMEZONE": "Asia/Shanghai"}


@pytest.fixture
def shop(relay: Command) -> Command:
    """Two tenants, one of them in a price group."""
    relay("tenant", "add", "acme", "--price-group", "vip")
    relay("tenant", "add", "beta")
    return relay


def held(relay: Command, *options: str, **changed: Any) -> int:
    """What a clip of 5 s comes to, by `price why`."""
    micros: int = relay.json("price", "why", *V3, *options, **changed)["hold_micros"]
    return micros


def test_prices_are_for_whom_and_when_they_say(shop: Command) -> None:
    """A tenant's before its group's before all; each from its moment until its end, which a date
    without an offset names by the relay's own clock."""
    shop("price", "set", *V3, "--amount", "1")
    shop("price", "set", "text2video", "--amount", "2", "--price-group", "vip")
    shop("price", "set", *V3, "--amount", "3", "--from", LATER, "--until", LATEST, **SHANGHAI)
    shop("price", "set", *V3, "--amount", "4", "--tenant", "acme", "--from", LATEST)
    begins = "2099-12-31T16:00:00Z"

    assert (held(shop), held(shop, "--tenant", "acme")) == (1_000_000, 2_000_000)
    assert held(shop, "--at", "2099-12-31 15:59Z") == 1_000_000
    assert held(shop, "--at", LATER, **SHANGHAI) == held(shop, "--at", "2099-12-31 16:00Z")
    assert held(shop, "--at", "2100-01-01 16:00Z") == 1_000_000
    assert held(shop, "--at", LATEST, "--tenant", "acme") == 4_000_000
    rows = [row for row in shop.json("price", "list") if row["source"] == "operator"]
    assert [row["valid_from"] for row in rows if row["valid_to"]] == [begins]
    assert [(row["tenant"], row["price_group"]) for row in rows] == [
        *(("acme", None), (None, "vip"), (None, None), (None, None))
    ]
    listed = shop("price", "list").stdout
    assert listed.index("to come:") < listed.index("tenant acme")
    shop("price", "unset", *V3, "--at", LATEST)
    shop("price", "set", *V3, "--amount", "5")
    history = shop("price", "list", "--history").stdout
    assert [amount for amount in ("1 USD", "2 USD", "3 USD", "4 USD", "5 USD") if amount in history]
    assert history.count("for good") == 3


def test_one_multiplier_counts_and_amounts_take_it_where_that_was_said(shop: Command) -> None:
    """All at 1.1, the group at 1.2, one tenant at none of its own and then at 2."""
    shop("price", "multiply", "1.1")
    shop("price", "multiply", "1.2", "--price-group", "vip")
    assert (held(shop), held(shop, "--tenant", "acme")) == (462_000, 504_000)
    shop("tenant", "set", "acme", "--multiplier", "2")
    assert held(shop, "--tenant", "acme") == 840_000
    assert shop.json("tenant", "set", "acme", "--multiplier", "none")["multiplier"] == "1.2"
    assert shop.json("tenant", "set", "acme", "--price-group", "none")["multiplier"] == "1.1"
    shop("price", "multiply", "0.5", "--tenant", "acme", "--from", LATER)
    assert held(shop, "--tenant", "acme", "--at", LATER) == 210_000

    said = shop("price", "set", *V3, "--amount", "3").stderr
    exact = held(shop)
    shop("price", "amounts", "multiplied")
    multiplied = held(shop)
    shop("price", "multiply", "none")

    assert "Multipliers do not apply to amounts" in said
    assert (exact, multiplied, held(shop)) == (3_000_000, 3_300_000, 3_000_000)
    listed: Any = shop.json("price", "multipliers")
    assert listed["multiplies_amounts"] is True
    assert [(one["tenant"], one["price_group"], one["times"]) for one in listed["multipliers"]] == [
        (None, "vip", "1.2"),
        ("acme", None, "0.5"),
    ]


def test_why_names_what_was_considered(shop: Command) -> None:
    """The row that takes it, the one that lost by what, and that no row fits."""
    shop("price", "set", "text2video", "--amount", "2", "--price-group", "vip")

    shown = shop("price", "why", *V3, "--tenant", "acme").stdout
    nothing = shop("price", "why", "text2video", "--model", "kling-v9")

    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "text2video 2 USD/task - its group's takes it the first that fits" in lines
    assert any(line.endswith("a row goes before it: its group's") for line in lines)
    assert "held 2 USD" in lines
    assert "No row prices it" in nothing.stderr


SENSELESS: list[tuple[tuple[str, ...], int, str]] = [
    (("set", *V3, "--amount", "1", "--from", "2020-01-01"), 1, "that moment is over"),
    (("set", *V3, "--amount", "1", "--until", "2020-01-01"), 1, "that moment is over"),
    (("set", *V3, "--amount", "1", "--from", LATEST, "--until", LATER), 1, "ends before it"),
    (("set", *V3, "--amount", "1", "--hours", "9"), 2, "is not like 18-24"),
    (("set", *V3, "--amount", "1", "--hours", "9-25"), 2, "is not like 18-24"),
    (("set", *V3, "--amount", "1", "--tenant", "acmee"), 1, "did you mean 'acme'"),
    (("set", *V3, "--amount", "1", "--tenant", "acme", "--price-group", "v"), 2, "not both"),
    (("set", *V3, "--amount", "1", "--price-group", ""), 1, "is no price group"),
    (("unset", *V3, "--hours", "1-2"), 1, "no row of yours with exactly the key"),
    (("multiply", "none"), 1, "there is no such multiplier"),
    (("multiply", "none", "--until", LATER), 2, "leave --until out"),
    (("multiply", "1.2", "--tenant", "acmee"), 1, "did you mean 'acme'"),
    (("multiply", "many"), 2, "'many' is not a decimal number"),
    (("why", *V3, "--tenant", "acmee"), 1, "did you mean 'acme'"),
    (("list", "--history", "--at", LATER), 2, "leave --at out"),
]


def test_what_makes_no_sense_is_a_sentence_and_writes_nothing(shop: Command) -> None:
    """Wrong words are exit code 2, what is not there is 1."""
    for arguments, code, said in SENSELESS:
        assert said in shop.refused("price", *arguments, code=code), arguments
    assert shop("price", "list", "--history").stdout == ""
    assert shop.json("price", "multipliers")["multipliers"] == []
