"""What a relay is, as one file by HTTP: the plan, that plan done, and nothing the second time."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.alerts.places import open_places
from relay.channels.directory import read_channels
from relay.desk.exported import TABLES
from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.relay_app import fixture_relay

FILE = """
[[channel]]
name = "new"
base_url = "https://kling.test"
api_key = { env = "NEW_KEY" }
proxy = "http://relay@proxy.test:3128"
proxy_password = { file = "secrets/proxy" }

[[tenant]]
name = "acme"
opening_quota = 12.5
limits = { month = 500 }

[[alert_place]]
url = { env = "PAGER" }
shown = "json://pager.test"

[[alert_rule]]
name = "task-old"
bound = 90

[[operator]]
name = "zoe"
role = "support"
ceilings = { "task.refund" = 12.5 }

[[price]]
endpoint = "tts"
units = 1
"""
PAGER = "json://pager.test/hook-of-the-pager"
SECRETS = {
    "NEW_KEY": "api-key-of-the-new-one",
    "secrets/proxy": "password-of-the-proxy",
    "PAGER": PAGER,
}
CHANNEL = "[[channel]]\nname = 'x'\nbase_url = 'https://kling.test'\napi_key = { env = 'OF_X' }\n"
PLACES = {
    "access_key": CHANNEL + "secret_key = { env = 'OF_X' }\naccess_key = ",
    "secret_key": CHANNEL + "access_key = { env = 'OF_X' }\nsecret_key = ",
    "api_key": CHANNEL.replace("{ env = 'OF_X' }\n", ""),
    "webhook_secret": CHANNEL + "webhook_secret = ",
    "proxy_password": CHANNEL + "proxy = 'http://proxy.test'\nproxy_password = ",
    "ca_pem": CHANNEL + "ca_pem = ",
    "url": "[[alert_place]]\nurl = ",
}
"""Files up to where each secret of one may be said to be."""


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
            *("alert.add", "alert.set", "operator.add"),
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
        assert [
            [note for note in twice["notes"] if where in note] != []
            for where in ("$NEW_KEY", "the file secrets/proxy", "$PAGER")
        ] == [True, True, True]
        assert 'name = "acme"' in dump
        assert (await sue("POST", "setup/plan", {"toml": dump})).json()["acts"] == []
        changes = (await ann("GET", "changes", act="tenant.open")).json()["changes"]
        assert [one["actor"] for one in changes] == ["operator:ann"]
        async with relay.sessions() as session:
            (channel,) = await read_channels(session, relay.keys)
            (place,) = await open_places(session, relay.keys)
        proxy = channel.way.proxy if channel.way else None
        assert proxy is not None
        assert [channel.api_key, proxy.password, place.url] == list(SECRETS.values())
        answers = (shown, twice, dump, (await ann("GET", "changes")).text)
        assert [secret for secret in SECRETS.values() if secret in str(answers)] == []

        for table in TABLES:
            answer = await ann("GET", f"exports/{table}")
            assert answer.headers["content-type"].startswith("application/jsonl")
            rows = [json.loads(line) for line in answer.text.splitlines()]
            assert [secret for secret in SECRETS.values() if secret in answer.text] == []
            if table == "tenants":
                assert [(row["name"], row["quota"]) for row in rows] == [("acme", "12.5")]
        unknown = await ann("GET", "exports/secrets")
        assert (unknown.status_code, unknown.json()["field"]) == (404, "table")


async def test_no_secret_is_read_from_the_machine_by_http(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file says of variables and files is of the request: here there are all of them."""
    file = tmp_path / "secret"
    file.write_text(PAGER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERE", PAGER)
    where = ("env = 'HERE'", f"file = '{file}'", "file = 'secret'")
    async with fixture_relay(database_url) as relay, office(relay) as client:
        ann = await asking(relay, client, "ann", Role.OWNER)
        said = {}
        for name, text in PLACES.items():
            for ref in where:
                body = {"toml": f"{text}{{ {ref} }}\n", "secrets": {"OF_X": "of-the-request"}}
                answer = await ann("POST", "setup", body)
                problem = answer.json()
                is_so = (
                    " is not there, and " in problem.get("detail", "") and PAGER not in answer.text
                )
                said[name, ref] = (answer.status_code, problem.get("field"), is_so)

        assert said == {(name, ref): (400, "toml", True) for name in PLACES for ref in where}
        assert (await ann("GET", "channels")).json()["channels"] == []
        given = {"toml": f"{PLACES['url']}{{ {where[2]} }}\n", "secrets": {"secret": PAGER}}
        assert (await ann("POST", "setup/plan", given)).status_code == 200
