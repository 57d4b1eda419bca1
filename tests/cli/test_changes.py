"""`relay changes`: what each command did, told to people and as JSON."""

import os
import pwd

import pytest

from tests.cli.command import Command

ME = f"system:{pwd.getpwuid(os.getuid()).pw_name}"
KEYS = ("--api-key", "the-api-key-0", "--base-url", "http://127.0.0.1:1", "--no-check")


@pytest.fixture
def acted(relay: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Six acts, of which two change nothing and one is refused."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    relay("tenant", "add", "acme", "--quota", "100")
    relay("tenant", "topup", "acme", "5", "--ref", "invoice 1")
    relay("tenant", "topup", "acme", "5", "--ref", "invoice 1")
    relay("tenant", "enable", "acme")
    relay("tenant", "adjust", "acme", "-0.35", "--reason", "entered twice")
    relay.refused("tenant", "add", "acme")
    return relay


def test_each_act_that_changed_something_is_listed(acted: Command) -> None:
    """Newest first, by the user of this machine; what was so already or refused is not there."""
    listed = acted.json("changes", "list")

    assert [row["act"] for row in listed] == ["tenant.adjust", "tenant.top_up", "tenant.open"]
    assert {row["actor"] for row in listed} == {ME}
    assert listed[0]["subject"] == {"kind": "tenant", "id": 1, "name": "acme"}
    assert listed[0]["after"] == {"account_id": 1001, "amount_micros": -350_000}
    assert listed[0]["reason"] == "entered twice"
    assert all(row["at"].endswith("Z") and row["origin"] for row in listed)


def test_people_see_amounts_and_what_was_before(acted: Command) -> None:
    """Money as money; a field that changed with both its values; nothing is wrapped."""
    acted("tenant", "set", "acme", "--multiplier", "1.2", "--tasks-max", "3")
    acted("price", "set", "text2video", "--amount", "3")
    acted("price", "set", "text2video", "--amount", "4")
    acted("price", "unset", "text2video")

    table = acted("changes", "list").stdout

    assert "amount -0.35 USD" in table
    assert "multiplier none > 1.2" in table
    assert "tasks_max none > 3" in table
    assert "amount 3 USD > 4 USD" in table
    removed = next(line for line in table.splitlines() if "price.remove" in line)
    assert "kind fixed" in removed


def test_a_list_is_filtered_limited_and_paged(acted: Command) -> None:
    """By who, by act or its kind, by what it was done to; `--before` goes on."""
    acted("tenant", "add", "beta")
    acted("channel", "add", "acme", *KEYS)

    def listed(*options: str) -> list[str]:
        return [row["act"] for row in acted.json("changes", "list", *options)]

    assert listed("--act", "channel") == ["channel.add"]
    assert listed("--act", "tenant.open") == ["tenant.open", "tenant.open"]
    assert listed("--act", "tenant.o") == []
    assert listed("--subject", "beta") == ["tenant.open"]
    assert listed("--subject", "acme", "--limit", "2") == ["channel.add", "tenant.adjust"]
    assert listed("--actor", ME, "--before", "2") == ["tenant.open"]
    assert listed("--actor", "system:nobody-here") == []
    assert "There are no such changes" in acted("changes", "list", "--act", "x").stderr


def test_one_change_is_shown_whole(acted: Command) -> None:
    """Before, after, from where; one that is not there is a sentence."""
    acted("channel", "add", "main", *KEYS)
    acted("channel", "set", "main", "--rename", "first", "--api-key", "the-api-key-1", "--no-check")

    shown = acted.json("changes", "show", "5")
    told = acted("changes", "show", "5").stdout

    assert shown["subject"]["name"] == "main"
    assert (shown["before"], shown["after"]["name"]) == ({"name": "main"}, "first")
    assert shown["after"]["new_keys"] == ["api_key"]
    assert "from    terminal of " in told
    assert "before  name main" in told
    assert "the-api-key" not in told + acted("changes", "list", "--json").stdout
    assert "there is no change 99; `relay changes list` shows them" in acted.refused(
        "changes", "show", "99"
    )
