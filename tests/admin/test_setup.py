"""What a relay is, as one file by HTTP: the plan, that plan done, and nothing the second time."""

import json
from typing import Any

from relay.desk.exported import TABLES
from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.relay_app import fixture_relay

FILE = """
[[channel]]
name = "new"
base_url = "https://kling.test"
api_key = { env = "NEW_KEY" }

[[tenant]]
name = "acme"
opening_quota = 12.5
limits = { month = 500 }

[[price]]
endpoint = "tts"
units = 1
"""
SECRETS = {"NEW_KEY": "api-key-of-the-new-one"}


async def test_a_file_is_planned_and_put_in_force_by_http(database_url: str) -> None:
    """A plan changes nothing; what is done is the plan that was seen; each act needs its role."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        ann = await asking(relay, client, "ann", Role.OWNER)
        sue = await asking(relay, client, "sue", Role.VIEWER)
        bob = await asking(relay, client, "bob", Role.OPERATOR)
        wanted: dict[str, Any] = {"toml": FILE, "secrets": SECRETS}

        shown = (await ann("POST", "setup/plan", wanted)).json()
        nothing = (await ann("GET", "tenants")).json()["tenants"]
        refused = {
            "unread": await ann("POST", "setup", wanted | {"toml": "[[tenant]]\nname = 'x"}),
            "no key": await ann("POST", "setup", {"toml": FILE}),
            "role": await sue("POST", "setup/plan", wanted),
            "money": await bob("POST", "setup", wanted),
            "other plan": await ann("POST", "setup", wanted | {"plan": "0" * 24}),
        }
        after_refusals = (await ann("GET", "channels")).json()["channels"]
        decided = wanted | {"plan": shown["plan"]}
        done = await ann("POST", "setup", decided, key="k")
        again = await ann("POST", "setup", decided, key="k")
        twice = (await ann("POST", "setup/plan", {"toml": FILE})).json()
        dump = (await ann("GET", "setup")).json()["toml"]

        assert [one["act"] for one in shown["acts"]] == [
            *("channel.add", "tenant.open", "limit.set", "price.import"),
        ]
        assert nothing == after_refusals == []
        assert {name: answer.status_code for name, answer in refused.items()} == {
            "unread": 400,
            "no key": 400,
            "role": 403,
            "money": 403,
            "other plan": 409,
        }
        assert refused["no key"].json()["detail"].startswith("channel 1 (new): $NEW_KEY is not")
        assert (done.status_code, done.json()) == (200, shown)
        assert again.json() == shown
        assert twice["acts"] == []
        assert ["$NEW_KEY" in note for note in twice["notes"]] == [True]
        assert 'name = "acme"' in dump
        assert (await ann("POST", "setup/plan", {"toml": dump})).json()["acts"] == []
        changes = (await ann("GET", "changes", act="tenant.open")).json()["changes"]
        assert [one["actor"] for one in changes] == ["operator:ann"]

        for table in TABLES:
            answer = await ann("GET", f"exports/{table}")
            assert answer.headers["content-type"].startswith("application/jsonl")
            rows = [json.loads(line) for line in answer.text.splitlines()]
            assert SECRETS["NEW_KEY"] not in answer.text
            if table == "tenants":
                assert [(row["name"], row["quota"]) for row in rows] == [("acme", "12.5")]
        unknown = await ann("GET", "exports/secrets")
        assert (unknown.status_code, unknown.json()["field"]) == (404, "table")
