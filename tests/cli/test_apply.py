"""`relay apply` and `relay export`: what stands as a file, what a file makes, and rows as lines."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.cli.export import TABLES
from relay.database.embedded import EmbeddedPostgres
from relay.desk.exported import TABLES as EXPORTED
from relay.secrets import new_secret_key
from tests.cli.command import Command
from tests.clones import cloned

FILE = """\
multiplies_amounts = true

[[channel]]
name = "main"
base_url = "https://kling.test/v1/"
access_key = { env = "MAIN_AK" }
secret_key = { file = "main.key" }
weight = 3
room = { video = 4, "video/kling-v3" = 2 }
groups = ["eu", "a"]
models = ["kling-v3"]

[[tenant]]
name = "acme"
opening_quota = 12.5
price_group = "vip"
tasks_max = 9
groups = ["eu"]
contact = 'Ann "the" <ann@acme.test>'
queue_s = 60
expires_at = 2100-01-01
addresses = ["10.0.0.0/8"]
endpoints = ["text2video"]
limits = { month = 500, day = "50.000001", in_flight = 4 }

[[price]]
endpoint = "text2video"
model = "kling-v3"
amount = 4
price_group = "vip"

[[price]]
endpoint = "tts"
units = 1
from = 2100-01-01
tenant = "acme"

[[multiplier]]
times = 1.5
tenant = "acme"
"""
KEYS: dict[str, Any] = {"MAIN_AK": "access-key-1"}


UNUSABLE = {
    "[[channel]\n": "line 1",
    "[[chanel]]\nname = 'x'\n": "chanel",
    "[[channel]]\nname = 'x'\nwait = 3\n": "channel 1 (x): Object contains unknown field `wait`",
    "[[channel]]\nname = 'x'\napi_key = 'abc'\n": "channel 1 (x): api_key is a secret",
    "[[channel]]\nname = 'x'\napi_key = {}\n": "channel 1 (x): api_key is in one place",
    "[[channel]]\nname = 'x'\napi_key = { env = 'NO_KEY' }\n": "channel 1 (x): $NO_KEY is not",
    "[[channel]]\nname = 'main'\nweight = 0\n": "channel 1 (main): a weight is at least 1",
    "[[tenant]]\nname = 'x'\n[[tenant]]\nname = 'x'\n": "tenant 2 (x): so is tenant 1",
    "[[tenant]]\nname = 'x'\nlimits = { month = 'much' }\n": "tenant 1 (x): limits.month is no",
    "[[tenant]]\nname = 'x'\nlimits = { rate = 1.5 }\n": "limits.rate is a whole number",
    "[[tenant]]\nname = 'x'\nlimits = { year = 1 }\n": "tenant 1 (x): Invalid enum value 'year'",
    "[[tenant]]\nname = 'x'\ngroups = 'eu'\n": "tenant 1 (x): groups = 'eu' is neither none",
    "[[tenant]]\nname = 'x'\nendpoints = ['text2vid']\n": "there is no endpoint 'text2vid'",
    "[[tenant]]\nname = 'x'\nopening_quota = -1\n": "opening_quota must be 0 to",
    "[[tenant]]\nname = 'x'\nexpires_at = 3\n": "expires_at must be a date or a moment",
    "[[price]]\nendpoint = 'tts'\n": "price 1 (tts): give exactly one of",
    "[[price]]\nendpoint = 'tts'\nunits = 1\ntenant = 'nobody'\n": "there is no tenant 'nobody'",
    "[[channel]]\nname = 'main'\npriority = 99999999999\n": "a priority is 2,147,483,647 at most",
    "[[channel]]\nname = 'main'\nweight = 99999999999\n": "a weight is 2,147,483,647 at most",
    "[[tenant]]\nname = 'x'\ntasks_max = 99999999999\n": "a limit of tasks is from 0 to 2,147",
    '[[tenant]]\nname = "a\\u0000b"\n': "its name has characters that cannot be seen",
    "[[tenant]]\nname = 'acme'\nremove = true\n": "tenant 1 (acme): tenant 'acme' is in use",
}
"""Files, each with a first row that could be, and what is said of them."""


@pytest.fixture
async def other_url(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    async with cloned(postgres_server, template) as url:
        yield url


def test_what_stands_is_made_anew_elsewhere_and_twice_is_nothing(
    relay: Command, other_url: str, tmp_path: Path
) -> None:
    """The plan is what is done; a file of what stands makes the same of an empty database."""
    (tmp_path / "main.key").write_text("secret-key-1\n")
    file = tmp_path / "relay.toml"
    file.write_text(FILE)

    shown = relay.json("apply", str(file), **KEYS)
    assert relay.json("tenant", "list") == []
    assert "Aborted" in relay.refused("apply", str(file), stdin="n\n", **KEYS)
    told = relay("apply", str(file), "--yes", **KEYS).stdout
    noted = relay.json("changes", "list")

    assert (shown["is_applied"], shown["kept"]) == (False, [])
    assert [one["act"] for one in shown["acts"]] == [one["act"] for one in reversed(noted)]
    for line in (
        "+ channel main: ",
        "+ tenant acme: quota 12.5 USD",
        "~ tenant acme: price_group none > vip",
        "limit month none > 500 USD, limit day none > 50.000001 USD, limit in_flight none > 4",
        "+ price text2video model=kling-v3 price_group=vip 4 USD a task",
        "+ multiplier tenant=acme 1.5",
        "~ multipliers apply to amounts",
    ):
        assert line in told
    assert "secret-key-1" not in told + json.dumps(shown)
    assert "Nothing to do" in relay("apply", str(file), **KEYS).stderr
    again = relay("apply", str(file))
    assert "$MAIN_AK is not there: the channel keeps what it has" in again.stderr
    assert len(relay.json("changes", "list")) == len(noted)

    dump = relay("export", "setup").stdout
    for said in ("access-key-1", "secret-key-1", "12.5", "relay price import"):
        assert said not in dump
    setup = tmp_path / "setup.toml"
    setup.write_text(dump)
    assert "Nothing to do" in relay("apply", str(setup)).stderr
    empty = Command({"RELAY_DATABASE_URL": other_url, "RELAY_SECRET_KEY": new_secret_key()})
    keys: dict[str, Any] = {
        "CHANNEL_MAIN_ACCESS_KEY": "access-key-1",
        "CHANNEL_MAIN_SECRET_KEY": "secret-key-1",
    }
    empty("apply", str(setup), "--yes", **keys)
    assert empty("export", "setup").stdout == dump
    assert "Nothing to do" in empty("apply", str(setup), **keys).stderr

    changed = {"CHANNEL_MAIN_SECRET_KEY": "secret-key-2"}
    plan = empty.json("apply", str(setup), **keys | changed)["acts"]
    assert [(one["act"], one["after"]) for one in plan] == [
        ("channel.change", {"new_keys": ["access_key", "secret_key"]})
    ]
    less = dump[: dump.index("[[price]]")]
    setup.write_text(less)
    assert "- price text2video model=kling-v3" in empty("apply", str(setup), stdin="y\n").stdout
    setup.write_text("[[channel]]\nname = 'main'\nremove = true\n")
    assert empty("apply", str(setup), "--yes").stdout.startswith("- channel main\n")
    assert "Nothing to do" in empty("apply", str(setup), "--yes").stderr
    assert empty.json("channel", "list") == []


def test_a_file_that_cannot_be_so_changes_nothing(relay: Command, tmp_path: Path) -> None:
    """One sentence with the line, or the table and its key; what stood before it is not done."""
    (tmp_path / "main.key").write_text("secret-key-1\n")
    file = tmp_path / "relay.toml"
    file.write_text(FILE)
    relay("apply", str(file), "--yes", **KEYS)
    before = relay("export", "setup").stdout
    changes = len(relay.json("changes", "list"))

    for text, said in UNUSABLE.items():
        new = "[[tenant]]\nname = 'new'\n" if "[[tenant]]" not in text else ""
        file.write_text(text + new if "line 1" not in said else text)
        message = relay.refused("apply", str(file), "--yes")
        assert said in message, text
        assert message.endswith("; nothing was changed"), text
    assert "cannot be read" in relay.refused("apply", str(tmp_path / "no.toml"))

    assert relay("export", "setup").stdout == before
    assert len(relay.json("changes", "list")) == changes


def test_every_table_is_written_as_lines(relay: Command, tmp_path: Path) -> None:
    """Each row is a document; money is text, and no secret or hash is in any."""
    token = relay.json("operator", "add", "ann", "--role", "viewer")
    assert token["name"] == "ann"
    relay("tenant", "add", "acme", "--quota", "12.345678")
    issued = json.loads(relay("token", "add", "acme", "--limit-month", "3.5").stdout)
    relay("price", "set", "text2video", "--amount", "3")
    relay("price", "multiply", "1.2", "--tenant", "acme")
    key = ("--api-key", "the-channels-key", "--base-url", "http://127.0.0.1:1", "--no-check")
    relay("channel", "add", "main", *key)
    relay("pause", "--reason", "we move")
    for number in range(3):
        relay("tenant", "topup", "acme", "1", "--ref", str(number))

    relay("export", "all", "--out", str(tmp_path / "out"))

    assert TABLES == EXPORTED
    read = {
        name: [
            json.loads(line)
            for line in (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()
        ]
        for name in TABLES
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"{name}.jsonl" for name in TABLES),
        "setup.toml",
    }
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    for secret in (issued["secret_key"], issued["api_key"], "the-channels-key", "_sealed", "_hash"):
        assert secret not in written
    assert "_micros" not in written
    assert [one["amount"] for one in read["entries"]] == ["1", "1", "1", "12.345678"]
    assert read["tenants"][0]["quota"] == "15.345678"
    assert [(one["limit"], one["allowed"]) for one in read["limits"]] == [("month", "3.5")]
    assert [one["amount"] for one in read["prices"]] == ["3"]
    assert all(read[name] for name in ("channels", "tokens", "multipliers", "pauses", "operators"))
    lines = relay("export", "changes").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [one["id"] for one in read["changes"]]
    assert "say --out DIR" in relay.refused("export", "all", code=2)
