import json
import re

import pytest

from tests.cli.command import Command


def test_a_tenant_is_added_with_its_quota_as_a_topup(relay: Command) -> None:
    """`--quota 100` is 100,000,000 micros under the reference `opening`."""
    added = relay.json("tenant", "add", "acme", "--quota", "100")

    assert added["quota_micros"] == 100_000_000
    assert added["held_micros"] == 0
    assert added["available_micros"] == 100_000_000
    assert added["currency"] == "USD"
    assert added["multiplier"] == "1"
    assert added["created_at"].endswith("Z")
    assert "already used" in relay("tenant", "topup", "acme", "100", "--ref", "opening").stderr


def test_a_list_is_one_array_with_the_same_fields(relay: Command) -> None:
    """Sorted by name; an empty list is an empty array, and says on stderr how to begin."""
    assert relay.json("tenant", "list") == []
    assert relay("tenant", "list").stdout == ""
    assert "relay tenant add" in relay("tenant", "list").stderr

    beta = relay.json("tenant", "add", "beta")
    acme = relay.json("tenant", "add", "acme")

    assert relay.json("tenant", "list") == [acme, beta]


def test_people_see_decimals_with_the_currency(relay: Command) -> None:
    """0.35 of the configured currency; names and amounts are never wrapped or cut."""
    name = "a-rather-long-name-of-a-tenant-that-fills-the-sixty-four-letters"
    relay("tenant", "add", name, "--quota", "0.35", RELAY_CURRENCY="CNY")

    table = relay("tenant", "list", RELAY_CURRENCY="CNY").stdout

    assert name in table
    assert "0.35 CNY" in table


def test_the_same_name_twice_is_refused(relay: Command) -> None:
    """Exit code 1, and nothing is added to the first one."""
    relay("tenant", "add", "acme", "--quota", "1")

    assert "there is a tenant 'acme' already" in relay.refused("tenant", "add", "acme")
    assert relay.json("tenant", "list")[0]["quota_micros"] == 1_000_000


def test_a_reference_tops_up_once(relay: Command) -> None:
    """The second time it says so, exits with 0 and adds nothing."""
    relay("tenant", "add", "acme")
    first = relay.json("tenant", "topup", "acme", "5", "--ref", "r1")
    again = relay("tenant", "topup", "acme", "5", "--ref", "r1", "--json")

    assert first["added_micros"] == 5_000_000
    assert '"added_micros": 0' in again.stdout
    assert "'r1' was already used to add 5 USD: added nothing." in again.stderr
    assert relay.json("tenant", "list")[0]["quota_micros"] == 5_000_000


def test_a_reference_with_another_amount_is_refused(relay: Command) -> None:
    """Exit code 1, and both amounts are named: one of them is a mistake."""
    relay("tenant", "add", "acme")
    relay("tenant", "topup", "acme", "5", "--ref", "r1")

    message = relay.refused("tenant", "topup", "acme", "6", "--ref", "r1")

    assert "already used to add 5 USD" in message
    assert "nothing was added" in message
    assert relay.json("tenant", "list")[0]["quota_micros"] == 5_000_000


@pytest.mark.parametrize(
    ("amount", "quota_micros"),
    [("-5", -5_000_000), ("-0.000001", -1), ("+2.5", 2_500_000), ("-5.5", -5_500_000)],
)
def test_an_adjustment_may_be_negative(relay: Command, amount: str, quota_micros: int) -> None:
    """-5 is an amount, not an option; the quota may fall below zero."""
    relay("tenant", "add", "acme")

    adjusted = relay.json("tenant", "adjust", "acme", amount, "--reason", "entered twice")

    assert adjusted["quota_micros"] == quota_micros


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1.1234567", "more than 6 decimal places"),
        ("1,5", "is not a decimal number"),
        ("1e3", "is not a decimal number"),
        ("nan", "is not a decimal number"),
        ("٣", "is not a decimal number"),
        ("99999999999999999999", "is more than 1,000,000,000"),
        ("0", "0 changes nothing"),
    ],
)
def test_an_amount_that_cannot_be_meant_is_wrong_usage(
    relay: Command, amount: str, said: str
) -> None:
    """Exit code 2, and nothing is entered."""
    relay("tenant", "add", "acme")

    message = relay.refused("tenant", "adjust", "acme", amount, "--reason", "x", code=2)

    assert said in message
    assert relay.json("tenant", "list")[0]["quota_micros"] == 0


@pytest.mark.parametrize("amount", ["-5", "0"])
def test_a_topup_is_more_than_nothing(relay: Command, amount: str) -> None:
    """A negative one is a correction, or an adjustment, which needs a reason."""
    relay("tenant", "add", "acme")

    message = relay.refused("tenant", "topup", "acme", amount, "--ref", "r", code=2)

    assert ("0 changes nothing" if amount == "0" else "-5 must be more than 0") in message


def test_a_misspelt_option_is_still_wrong_usage(relay: Command) -> None:
    """Though negative amounts are taken, unknown options are not."""
    assert "--reson" in relay.refused(
        "tenant", "adjust", "acme", "-5", "--reson", "y", "--reason", "x", code=2
    )


def test_an_unknown_tenant_is_named_with_what_may_be_meant(relay: Command) -> None:
    """Exit code 1 everywhere, with the close match."""
    relay("tenant", "add", "acme")
    commands = [
        ("tenant", "set", "acmee", "--multiplier", "1"),
        ("tenant", "topup", "acmee", "1", "--ref", "r"),
        ("tenant", "adjust", "acmee", "1", "--reason", "r"),
        ("tenant", "disable", "acmee"),
        ("token", "add", "acmee"),
        ("token", "list", "acmee"),
        ("task", "list", "--tenant", "acmee"),
        ("price", "quote", "text2video", "--model", "kling-v3", "--tenant", "acmee"),
    ]

    for command in commands:
        message = relay.refused(*command)
        assert "there is no tenant 'acmee'; did you mean 'acme'?" in message, command


def test_multiplier_and_limit_are_set_and_unset(relay: Command) -> None:
    """`--tasks-max none` is no limit; what is not named stays."""
    relay("tenant", "add", "acme", "--multiplier", "1.2", "--tasks-max", "3")

    limited = relay.json("tenant", "set", "acme", "--tasks-max", "20")
    unlimited = relay.json("tenant", "set", "acme", "--tasks-max", "none")
    cheaper = relay.json("tenant", "set", "acme", "--multiplier", "0.95")

    assert (limited["tasks_max"], limited["multiplier"]) == (20, "1.2")
    assert (unlimited["tasks_max"], unlimited["multiplier"]) == (None, "1.2")
    assert (cheaper["tasks_max"], cheaper["multiplier"]) == (None, "0.95")
    assert "Say what to change" in relay.refused("tenant", "set", "acme", code=2)


def test_a_tenant_is_disabled_and_enabled(relay: Command) -> None:
    """Each prints the tenant as it is now."""
    relay("tenant", "add", "acme")

    assert relay.json("tenant", "disable", "acme")["enabled"] is False
    assert relay.json("tenant", "enable", "acme")["enabled"] is True


def test_a_tenant_is_renamed(relay: Command) -> None:
    """What it has stays; the old name is free, and one that is taken is refused."""
    before = relay.json("tenant", "add", "acme", "--quota", "5")
    relay("tenant", "add", "beta")

    renamed = relay.json("tenant", "rename", "acme", "acme-europe")

    assert renamed == {**before, "name": "acme-europe"}
    assert "there is a tenant 'beta' already" in relay.refused(
        "tenant", "rename", "acme-europe", "beta"
    )
    assert "is no name" in relay.refused("tenant", "rename", "acme-europe", " x", code=2)
    relay("tenant", "add", "acme")


def test_a_tenant_with_quota_is_not_removed(relay: Command) -> None:
    """What is left is named with what to do; afterwards it is, with its tokens, for good."""
    relay("tenant", "add", "acme", "--quota", "37.2")
    relay("token", "add", "acme")

    said = relay.refused("tenant", "remove", "acme", "--yes")
    assert "tenant 'acme' is in use: its quota is 37.2 USD" in said
    assert "`relay tenant adjust acme -37.2 --reason …`" in said
    relay("tenant", "adjust", "acme", "-37.2", "--reason", "paid back")
    removed = relay.json("tenant", "remove", "acme", "--yes")

    assert (removed["name"], removed["enabled"]) == ("acme (removed #1)", False)
    assert relay.json("token", "list")[0]["revoked_at"] is not None
    assert relay.json("tenant", "list") == []
    assert len(relay.json("tenant", "list", "--removed")) == 1
    assert "did you mean 'acme (removed #1)'?" in relay.refused("token", "add", "acme")
    assert "it was removed" in relay.refused("token", "add", "acme (removed #1)")
    acts = [row["act"] for row in relay.json("changes", "list", "--subject", "acme")]
    assert acts == ["tenant.remove", "tenant.adjust", "tenant.open"]
    relay("tenant", "add", "acme", "--quota", "1")


def test_another_currency_is_refused_in_one_sentence(relay: Command) -> None:
    """The books are in the currency of the first entry; exit code 2, nothing written."""
    relay("tenant", "add", "acme", "--quota", "1")

    for command in (
        ("tenant", "topup", "acme", "1", "--ref", "r"),
        ("tenant", "adjust", "acme", "1", "--reason", "r"),
        ("tenant", "add", "beta"),
    ):
        message = relay.refused(*command, code=2, RELAY_CURRENCY="CNY")
        assert "the books of this database are in USD, and RELAY_CURRENCY is CNY" in message
    assert [one["quota_micros"] for one in relay.json("tenant", "list")] == [1_000_000]


def test_a_tenant_is_added_below_another_one(relay: Command) -> None:
    """It is called by both names, draws on its account, and has a factor of its prices."""
    relay("tenant", "add", "acme", "--quota", "100")
    added = relay.json("tenant", "add", "eu", "--parent", "acme", "--factor", "1.3")
    changed = relay.json("tenant", "set", "acme/eu", "--factor", "1.45")
    relay("tenant", "rename", "acme", "acme-2")

    assert (added["name"], added["parent"], added["factor"]) == ("acme/eu", "acme", "1.3")
    assert (added["quota_micros"], changed["factor"]) == (100_000_000, "1.45")
    table = relay("tenant", "list").stdout
    assert "acme-2/eu" in table
    assert "1.45" in table
    for code, command, said in (
        (2, ("add", "eu", "--factor", "1.3"), "Say --parent"),
        (2, ("add", "us", "--parent", "acme-2", "--quota", "5"), "set them there"),
        (2, ("add", "us", "--parent", "acme-2", "--factor", "0.9"), "a factor is from 1 to 1000"),
        (1, ("add", "us", "--parent", "acme-2/eu"), "a sub-tenant, and has none of its own"),
        (1, ("set", "acme-2/eu", "--multiplier", "2"), "this is set of the parent"),
        (1, ("set", "acme-2", "--factor", "2"), "only a sub-tenant has a factor"),
        (1, ("topup", "acme-2/eu", "5", "--ref", "x"), "'acme-2' pays for it"),
        (1, ("remove", "acme-2", "--yes"), "it has sub-tenants, which go first: acme-2/eu"),
    ):
        assert said in relay.refused("tenant", *command, code=code)


def test_a_tenant_is_linked_into_the_portal(relay: Command) -> None:
    """One line, with what is to be known beside it; all links are of one token, shown to nobody."""
    relay("tenant", "add", "acme")
    said = relay(*LINK, RELAY_PORTAL="true", RELAY_PUBLIC_URL="https://relay.test/")
    (line,) = said.stdout.splitlines()
    off = relay(*LINK)
    as_json = relay.json(*LINK)

    assert re.fullmatch(r"https://relay\.test/portal/enter\?key=[\w-]{43}", line)
    assert "good once, for an hour" in said.stderr
    assert "and for you" in relay(*LINK, "--support").stderr
    assert "switched off" not in said.stderr
    assert "The portal is switched off" in off.stderr
    assert off.stdout.startswith("http://localhost:")
    (token,) = relay.json("token", "list", "acme")
    assert (token["name"], token["scope"]) == ("portal", "manage")
    assert as_json["token_id"] == token["id"]
    noted = json.dumps(relay.json("changes", "list"))
    assert noted.count('"tenant.link"') == 4
    assert line.rpartition("=")[2] not in noted
    assert relay.json("tenant", "log-out", "acme") == {"sessions_ended": 0}
    assert relay("tenant", "log-out", "acme").stdout == "Logged acme out of 0 browsers.\n"
    assert "no tenant 'nobody'" in relay.refused("tenant", "link", "nobody")


LINK = ("tenant", "link", "acme")
