"""`relay limit`: limits as an operator sets, sees and raises them."""

from tests.cli.command import Command


def test_limits_are_set_seen_raised_and_taken_away(relay: Command) -> None:
    """Of the tenant and of a key; the table has one line each, amounts in the currency."""
    relay("tenant", "add", "acme", "--quota", "10")
    relay("token", "add", "acme")

    relay("limit", "set", "acme", "--month", "500", "--in-flight", "20")
    relay("limit", "set", "acme", "--token", "1", "--day", "2.5", "--rate", "3", "--task", "1")
    relay("limit", "raise", "acme", "--month", "800", "--until", "2h")
    listed = relay("limit", "list").stdout

    lines = [line.split()[:6] for line in listed.splitlines()[2:]]
    assert lines == [
        ["acme", "all", "month", "800", "0", "800"],
        ["acme", "all", "in", "flight", "20", "0"],
        ["acme", "1", "day", "2.5", "0", "2.5"],
        ["acme", "1", "task", "1", "-", "-"],
        ["acme", "1", "rate", "3", "-", "-"],
    ]
    relay("limit", "raise", "acme", "--month", "none")
    relay(
        "limit", "set", "acme", "--token", "1", "--day", "none", "--rate", "none", "--task", "none"
    )
    shown = relay.json("limit", "set", "acme", "--in-flight", "none")
    assert [(one["limit"], one["allowed"], one["raised"]) for one in shown] == [
        ("month", 500_000_000, None)
    ]


def test_what_cannot_be_set_is_said_in_a_sentence(relay: Command) -> None:
    """No limit, two to raise, no end of a raise, none to raise, another tenant's key."""
    relay("tenant", "add", "acme")
    for args, code, said in (
        (("set", "acme"), 2, "Say which limit to set"),
        (("set", "acme", "--month", "-1"), 2, "must be at least 0"),
        (("set", "acme", "--token", "7", "--day", "1"), 1, "token 7"),
        (("raise", "acme", "--day", "1", "--week", "1", "--until", "2h"), 2, "Say which one"),
        (("raise", "acme", "--day", "1"), 2, "Say until when"),
        (("raise", "acme", "--day", "1", "--until", "2h"), 1, "it has no limit 'day' to raise"),
    ):
        assert said in relay.refused("limit", *args, code=code)
