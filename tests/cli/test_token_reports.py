"""What is done about a key that others have."""

import json
from datetime import UTC, datetime, timedelta

from tests.cli.command import Command
from tests.cli.test_tasks import put_task, tenants

__all__ = ["tenants"]  # the fixture, which pytest finds by its name
HELD = 420_000
MADE = (  # address, callback URL as rows keep it, days ago
    ("192.0.2.1", None, 9),
    ("203.0.113.7", "https://hooks.example/kling/1", 0),
    ("203.0.113.7", "https://***@Hooks.example/kling?*** k1:sealed", 0),
    ("198.51.100.9", "http://evil.example:8080", 0),
    (None, None, 0),
)


def test_a_report_tells_what_a_key_was_used_for(tenants: Command) -> None:
    """Four of its five tasks, of the last week: states, money, models, addresses, callback hosts.

    Nothing of another key's is in it, and of callbacks neither a path nor what is sealed.
    """
    for number, (address, url, days) in enumerate(MADE):
        put_task(
            tenants,
            1,
            injected_id=f"x{number}",
            model="kling-v3" if number > 1 else None,
            caller_address=address,
            callback_url=url,
            created_at=datetime.now(UTC) - timedelta(days=days),
        )
    put_task(tenants, 2, caller_address="203.0.113.8", callback_url="https://beta.example/x")
    for number in (2, 3):
        tenants("task", "settle", str(number), "--reason", "it was made", "--yes")
    tenants("task", "refund", "2", "--reason", "not theirs", "--amount", "0.02", "--yes")

    told = tenants.json("token", "report", "1", "--since", "7d")
    all_of_it = tenants.json("token", "report", "1", "--since", "2020-01-01")
    shown = tenants("token", "report", "1", "--since", "7d").stdout
    idle = tenants.json("token", "report", "1", "--since", "0m")

    whole = told["whole"]
    assert (whole["tasks"], all_of_it["whole"]["tasks"], idle["whole"]["tasks"]) == (4, 5, 0)
    assert (whole["held_micros"], whole["charged_micros"]) == (2 * HELD, 2 * HELD)
    assert whole["refunded_micros"] == 20_000
    assert {one["name"]: one["tasks"] for one in told["states"]} == {"succeed": 2, "submitted": 2}
    assert [(one["name"], one["model"], one["tasks"]) for one in told["models"]] == [
        ("text2video", "kling-v3", 3),
        ("text2video", None, 1),
    ]
    assert [(one["name"], one["tasks"]) for one in told["addresses"]] == [
        *(("203.0.113.7", 2), ("198.51.100.9", 1), (None, 1))
    ]
    assert [(one["name"], one["tasks"]) for one in told["callback_hosts"]] == [
        *(("hooks.example", 2), ("evil.example:8080", 1), (None, 1))
    ]
    assert told["addresses"][0]["first_at"] < told["addresses"][0]["last_at"]
    assert "0.82 USD" in shown
    assert "hooks.example" in shown
    assert "beta" not in shown + json.dumps(told)
    assert not any(secret in shown + json.dumps(told) for secret in ("/kling", "k1:", "***"))
    assert "there is no token 999" in tenants.refused("token", "report", "999")
    assert "198.51.100.9" in tenants("task", "show", "4").stdout
    theirs = tenants.json("task", "list", "--token", "1", "--address", "198.51.100.9")
    assert [one["id"] for one in theirs] == [4]
    assert len(tenants.json("task", "list", "--token", "1")) == len(MADE)


def test_a_leaked_key_is_revoked_and_its_leak_noted_once(tenants: Command) -> None:
    """What runs is told with what it holds, and what to do next; once more changes nothing.

    Of a key that was revoked before, the leak is news.
    """
    put_task(tenants, 1)
    tenants("token", "revoke", "2")

    told = tenants("token", "revoke", "1", "--leaked")
    news, again = (tenants("token", "revoke", "2", "--leaked") for _ in range(2))
    as_json = tenants.json("token", "revoke", "1", "--leaked")

    assert "tasks that still run: 1, with 0.42 USD held" in told.stdout
    assert "relay token report 1" in told.stderr
    assert "was revoked before" in news.stderr
    assert news.stdout == again.stdout
    assert as_json["live_tasks"] == 1
    noted = [
        (change["subject"]["name"], change["reason"])
        for change in tenants.json("changes", "list", "--act", "token.revoke")
    ]
    assert noted == [("2", "leaked"), ("1", "leaked"), ("2", None)]
