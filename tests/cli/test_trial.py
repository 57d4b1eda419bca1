"""`relay channel try`, as an operator runs it, before a sandbox on a real socket."""

import json
from pathlib import Path

import pytest

from relay.cli.channel_try import ENDPOINTS as OFFERED
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.trial.plan import ENDPOINTS, PROMPT
from tests.cli.command import Command, execute

PAIR = f"{DEFAULT_ACCOUNT.access_key}|{DEFAULT_ACCOUNT.secret_key}"


def add(relay: Command, url: str) -> None:
    relay("channel", "add", "main", "--key", PAIR, "--base-url", url)


def confirmed(relay: Command) -> list[str]:
    (shown,) = relay.json("channel", "list")
    return list(shown["confirmed_lookups"])


def test_a_trial_is_reported_kept_and_shown(
    relay: Command,
    sandbox_url: str,
    tmp_path: Path,
) -> None:
    """What it confirms stands with the channel; the report has no key, no id and no prompt."""
    add(relay, sandbox_url)
    execute(relay, "UPDATE channels SET is_sandbox = false")
    untried = relay.refused("channel", "show", "main", "--report", str(tmp_path / "none.json"))
    assert "there is no report: 'main' was never tried: `relay channel try" in untried
    path = tmp_path / "report.json"

    result = relay("channel", "try", "main", "--max-cost", "1", "--report", str(path))

    assert "It will cost 0.014 USD (4 image units)" in result.stderr
    assert "a task under our external id" in result.stdout
    assert "Confirmed lookup" in result.stderr
    assert confirmed(relay) == ["query", "list"]
    shown = relay("channel", "show", "main").stdout
    assert "the same external id again" in shown
    last = relay.json("channel", "show", "main")["last_trial"]
    assert (last["state"], last["cost_micros"], last["most_micros"]) == ("ended", 14_000, 1_000_000)
    (ended, begun, *_) = relay.json("changes", "list")
    assert (ended["act"], ended["after"]["differing"]) == ("channel.try", 0)
    assert (begun["act"], begun["after"]["most_micros"]) == ("channel.try", 1_000_000)
    text = path.read_text()
    again = tmp_path / "again.json"
    relay("channel", "show", "main", "--report", str(again))
    assert json.loads(again.read_text()) == json.loads(text)
    report = json.loads(text)
    assert {one["outcome"] for one in report["findings"]} == {"as relied on", "not seen"}
    for secret in (*PAIR.split("|"), DEFAULT_ACCOUNT.api_key, PROMPT, "-try-"):
        assert secret not in text


def test_a_trial_without_a_report_says_why_and_one_that_runs_is_not_joined(
    relay: Command, sandbox_url: str
) -> None:
    """Of a channel one at a time; one that nobody is at any more is in nobody's way."""
    add(relay, sandbox_url)
    begin = (
        "INSERT INTO trials (channel_id, actor, endpoint, model, cost_micros, most_micros,"
        " injected_id, step) VALUES"
        " (1, 'system:ann', 'generations', 'kling-v2-1', 1, 1, 'r0-try-1', 'waiting for its end')"
    )
    execute(relay, begin)

    runs = relay("channel", "show", "main").stdout
    assert "It is being tried since" in runs
    assert "waiting for its end" in runs
    refused = relay.refused("channel", "try", "main", "--max-cost", "0.02")
    assert "it is being tried since" in refused

    execute(relay, "UPDATE trials SET seen_at = seen_at - interval '61 seconds'")
    lost = relay("channel", "show", "main").stdout
    assert "its end is not known" in lost
    assert "r0-try-1" in lost
    relay("channel", "try", "main", "--max-cost", "0.02")
    assert relay.json("channel", "show", "main")["last_trial"]["state"] == "ended"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--max-cost", "0.013"), "costs 0.014 USD"),
        (("--max-cost", "0.2", "--endpoint", "text2video"), "costs 0.21 USD"),
        (("--max-cost", "9", "--endpoint", "text-to-video"), "has no API key"),
    ],
)
def test_what_may_not_be_paid_is_not_sent(
    relay: Command,
    sandbox_url: str,
    arguments: tuple[str, ...],
    why: str,
) -> None:
    """Nor what the channel's keys do not allow."""
    add(relay, sandbox_url)

    assert why in relay.refused("channel", "try", "main", *arguments)

    assert relay.json("channel", "show", "main")["trial"] is None


def test_another_host_has_confirmed_nothing(
    relay: Command,
    sandbox_url: str,
) -> None:
    """A sandbox is known at `add` and at `set`; elsewhere all has to be tried again."""
    add(relay, sandbox_url)
    execute(relay, "UPDATE channels SET confirmed_lookups = '{query}'")
    before = relay.json("channel", "show", "main")

    elsewhere = ("channel", "set", "main", "--base-url", "http://127.0.0.1:1", "--no-check")
    assert "in group 'test' are sandboxes" in relay.refused(*elsewhere)
    relay(*elsewhere, "--group", "none")

    after = relay.json("channel", "show", "main")
    assert (before["is_sandbox"], after["is_sandbox"]) == (True, False)
    assert (before["confirmed_lookups"], after["confirmed_lookups"]) == (["query"], [])


def test_the_help_offers_what_can_be_tried() -> None:
    """The command names the endpoints without importing the plan."""
    assert tuple(OFFERED) == ENDPOINTS
