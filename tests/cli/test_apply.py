"""`relay apply` and `relay export`: what stands as a file, what a file makes, and rows as lines."""

import io
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from relay.cli.export import TABLES
from relay.database.embedded import EmbeddedPostgres
from relay.desk.exported import TABLES as EXPORTED
from relay.desk.setup.entries import TenantEntry
from relay.desk.tenants import TenantChanges
from relay.secrets import new_secret_key
from tests.cli.command import Command, execute
from tests.clones import cloned
from tests.kling.certificates import self_signed

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
proxy = "socks5://us%65r@10.0.0.1"
proxy_password = { env = "MAIN_PROXY" }
ca_pem = { file = "peer.pem" }
connect_timeout_s = 2.5

[[cost]]
channel = "main"
unit = "video"
price = 0.12
from = 2026-11-01

[[cost]]
channel = "main"
unit = "video"
price = 0.11
currency = "CNY"
rate = 7.12
from = 2026-10-01T00:00:00Z

[[tenant]]
name = "acme/eu"
parent = "acme"
factor = 1.25
limits = { total = 70 }

[[tenant]]
name = "acme"
opening_quota = 12.5
credit = 30.000001
price_group = "vip"
tasks_max = 9
keep_results_days = 90
asset_bytes_max = 5000000000
asset_gb_month = 0.030001
groups = ["eu"]
contact = 'Ann "the" <ann@acme.test>'
notes = "pays by bank\\nbefore the 5th"
queue_s = 60
expires_at = 2100-01-01
addresses = ["10.0.0.0/8"]
endpoints = ["text2video"]
limits = { month = 500, day = "50.000001", in_flight = 4 }

[[token]]
tenant = "acme"
name = "ci"
groups = ["eu"]
queue_s = 5
models = ["kling-v3"]
limits = { day = 7 }

[[alert_place]]
url = { env = "PAGER" }
shown = "json://pager.test"
least = "page"

[[alert_place]]
url = { env = "DESK" }
shown = "json://desk.test"

[[alert_rule]]
name = "task-old"
bound = 90
pause_s = 60

[[operator]]
name = "ann"
role = "support"
ceilings = { "task.refund" = 12.5 }

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
PAGER, DESK = "json://pager.test/p-secret-1", "json://desk.test/d-secret-1"
KEYS: dict[str, Any] = {
    "MAIN_AK": "access-key-1",
    "MAIN_PROXY": "proxy:password-1",
    "PAGER": PAGER,
    "DESK": DESK,
}
GIVEN_AGAIN: dict[str, Any] = {
    "CHANNEL_MAIN_ACCESS_KEY": "access-key-1",
    "CHANNEL_MAIN_SECRET_KEY": "secret-key-1",
    "CHANNEL_MAIN_PROXY_PASSWORD": "proxy:password-1",
    "ALERT_PLACE_1": PAGER,
    "ALERT_PLACE_2": DESK,
}
"""Secrets under the names that an export gives them."""


GONE = """\
[[channel]]
name = "main"
remove = true

[[tenant]]
name = "acme/eu"
remove = true

[[token]]
tenant = "acme"
name = "ci"
remove = true

[[alert_place]]
url = { env = "ALERT_PLACE_1" }
shown = "json://pager.test"
remove = true

[[alert_rule]]
name = "task-old"
bound = "none"

[[operator]]
name = "ann"
remove = true
"""
GONE_TOLD = """\
- token N
- alert place json://pager.test
~ alert rule task-old: bound 90 > none
- operator ann
- tenant acme/eu
- channel main
applied: 6 changes
"""
BOT = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="
UNUSABLE = {
    "[[channel]\n": "line 1",
    "[[chanel]]\nname = 'x'\n": "chanel",
    "[[channel]]\nname = 'x'\nwait = 3\n": "channel 1 (x): Object contains unknown field `wait`",
    "[[channel]]\nname = 'x'\napi_key = 'abc'\n": "channel 1 (x): api_key is a secret",
    "[[channel]]\nname = 'x'\napi_key = {}\n": "channel 1 (x): api_key is in one place",
    "[[channel]]\nname = 'x'\napi_key = { env = 'NO_KEY' }\n": "channel 1 (x): $NO_KEY is not",
    "[[channel]]\nname = 'main'\nweight = 0\n": "channel 1 (main): a weight is at least 1",
    "[[channel]]\nname = 'x'\nproxy = 'http://a:b@c'\n": "channel 1 (x): a proxy's password is a",
    "[[channel]]\nname = 'x'\nproxy = 'ftp://c'\n": "channel 1 (x): proxy: it begins with http",
    "[[channel]]\nname = 'x'\ntimeout_s = 'long'\n": "channel 1 (x): timeout_s is no number",
    "[[channel]]\nname = 'main'\ntimeout_s = 9e9\n": "channel 1 (main): a timeout is 0.1 to",
    "[[channel]]\nname = 'main'\nproxy = 'http://z'\nproxy_password.env = 'NO'\n": "$NO is not",
    "[[cost]]\nchannel = 'x'\nunit = 'cash'\nprice = 1\n": "cost 1 (x cash): Object missing requ",
    "[[cost]]\nchannel = 'x'\nunit = 'cash'\nprice = 1\nfrom = 2026-01-01\n": "no channel 'x'",
    "[[tenant]]\nname = 'x'\nfactor = 2\n": "tenant 1 (x): only a sub-tenant has a factor",
    "[[tenant]]\nname = 'x'\nparent = 'acme'\n": "a sub-tenant is called acme/…",
    "[[tenant]]\nname = 'acme/eu'\nparent = 'acme'\ncredit = 1\n": "credit is its parent's",
    "[[tenant]]\nname = 'acme/eu'\nasset_gb_month = 1\n": "a sub-tenant has its parent's prices",
    "[[tenant]]\nname = 'acme/eu'\nparent = 'acme'\nasset_gb_month = 1\n": "is its parent's",
    "[[tenant]]\nname = 'x'\nasset_gb_month = 'much'\n": "asset_gb_month is no number",
    "[[tenant]]\nname = 'x'\nasset_gb_month = -1\n": "asset_gb_month must be 0 to",
    "[[tenant]]\nname = 'acme/eu'\ntasks_max = 1\n": "a sub-tenant has its parent's prices",
    "[[token]]\ntenant = 'x'\nname = 'y'\nqueue_s = 'long'\n": "token 1 (x y): queue_s = 'long'",
    "[[alert_place]]\nurl = 'json://x/y'\n": "alert_place 1: url is a secret",
    "[[alert_place]]\nurl = { env = 'NO' }\n": "$NO is not there, and a new place needs",
    "[[alert_rule]]\nname = 'x'\n": "there is no alert rule 'x'",
    "[[alert_rule]]\nname = 'task-old'\nbound = -1\n": "-1 is no bound",
    "[[operator]]\nname = 'x'\n": "operator 1 (x): a new operator needs its role",
    "[[operator]]\nname = 'ann'\nceilings = { task.refund = 1 }\n": 'is written "task.refund"',
    "[[operator]]\nname = 'ann'\nceilings = { 'price.set' = 1 }\n": "'price.set' has no ceiling",
    "[[operator]]\nname = 'new'\nrole = 'owner'\nceilings = { 'price.set' = 'none' }\n": (
        "operator 1 (new): ceilings.\"price.set\": 'price.set' has no ceiling"
    ),
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
    "[[tenant]]\nname = 'acme'\nremove = true\n"
    "[[tenant]]\nname = 'acme/eu'\nremove = true\n": "tenant 1 (acme): tenant 'acme' is in use",
}
"""Files, each with a first row that could be, and what is said of them."""


@pytest.fixture
async def other_url(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    async with cloned(postgres_server, template) as url:
        yield url


def written(directory: Path) -> Path:
    """The file, with what it names beside it."""
    (directory / "main.key").write_text("secret-key-1\n")
    self_signed(directory / "peer.pem", x509.DNSName("kling.test"))
    file = directory / "relay.toml"
    file.write_text(FILE)
    return file


def only_what_differs_is_planned(empty: Command, setup: Path, dump: str) -> None:
    """A new secret, a place of another severity, prices that the file has no more, and removals."""
    changed = {"CHANNEL_MAIN_SECRET_KEY": "secret-key-2"}
    plan = empty.json("apply", str(setup), **GIVEN_AGAIN | changed)["acts"]
    assert [(one["act"], one["after"]) for one in plan] == [
        ("channel.change", {"new_keys": ["access_key", "secret_key"]})
    ]
    changed = {"CHANNEL_MAIN_PROXY_PASSWORD": "another"}
    plan = empty.json("apply", str(setup), **GIVEN_AGAIN | changed)["acts"]
    assert [one["after"] for one in plan] == [{"new_keys": ["proxy_password"]}]
    setup.write_text(dump.replace('least = "ticket"', 'least = "page"'))
    plan = empty.json("apply", str(setup), **GIVEN_AGAIN)["acts"]
    assert [(one["act"], one["name"]) for one in plan] == [
        *(("alert.remove", "json://desk.test"), ("alert.add", "json://desk.test"))
    ]
    less = dump[: dump.index("[[price]]")]
    setup.write_text(less)
    assert "- price text2video model=kling-v3" in empty("apply", str(setup), stdin="y\n").stdout
    setup.write_text(GONE)
    told = empty("apply", str(setup), "--yes").stdout
    assert re.sub(r"token \d+", "token N", told) == GONE_TOLD
    assert "Nothing to do" in empty("apply", str(setup), "--yes").stderr
    assert empty.json("channel", "list") == []


def test_what_stands_is_made_anew_elsewhere_and_twice_is_nothing(
    relay: Command, other_url: str, tmp_path: Path
) -> None:
    """The plan is what is done; a file of what stands makes the same of an empty database."""
    file = written(tmp_path)

    shown = relay.json("apply", str(file), **KEYS)
    assert relay.json("tenant", "list") == []
    assert "Aborted" in relay.refused("apply", str(file), stdin="n\n", **KEYS)
    told = relay("apply", str(file), "--yes", **KEYS).stdout
    noted = relay.json("changes", "list")

    assert shown["is_applied"] is False
    (said,) = shown["notes"]
    assert said.startswith("token 1 (acme ci): there is none")
    assert "relay token add acme --name ci" in said
    assert [one["act"] for one in shown["acts"]] == [one["act"] for one in reversed(noted)]
    for line in (
        "+ channel main: ",
        "+ tenant acme: quota 12.5 USD",
        "~ tenant acme: price_group none > vip",
        "limit month none > 500 USD, limit day none > 50.000001 USD, limit in_flight none > 4",
        "~ channel main: unit video, price 0.11, rate 7.12, rate_per 1, currency CNY, from 2026-10",
        "+ tenant acme/eu: parent acme, factor 1.25",
        "credit 0 USD > 30.000001 USD",
        "+ alert place json://pager.test: least page",
        "~ alert rule task-old: bound none > 90, pause_s none > 60",
        "+ operator ann: role support, ceiling task.refund 12.5 USD",
        "+ price text2video model=kling-v3 price_group=vip 4 USD a task",
        "+ multiplier tenant=acme 1.5",
        "~ multipliers apply to amounts",
    ):
        assert line in told
    assert "secret-key-1" not in told + json.dumps(shown)
    assert "Nothing to do" in relay("apply", str(file), **KEYS).stderr
    token = relay.json("token", "add", "acme", "--name", "ci")["id"]
    told = relay("apply", str(file), "--yes", **KEYS).stdout
    assert f"~ token {token}: " in told
    assert "limit day none > 7 USD" in told
    noted = relay.json("changes", "list")
    again = relay("apply", str(file))
    assert "$MAIN_AK is not there: the channel keeps what it has" in again.stderr
    assert len(relay.json("changes", "list")) == len(noted)

    dump = relay("export", "setup").stdout
    secrets = ("access-key-1", "secret-key-1", "password-1", "p-secret-1", "d-secret-1", "PRIVATE")
    for said in (*secrets, "opening_quota", "relay price import"):
        assert said not in dump
    setup = tmp_path / "setup.toml"
    setup.write_text(dump)
    kept = relay("apply", str(setup))
    assert "Nothing to do" in kept.stderr
    for variable in GIVEN_AGAIN:
        assert f"${variable} is not there" in kept.stderr
    nothing = relay("apply", str(setup), **GIVEN_AGAIN)
    assert nothing.stderr.strip() == "Nothing to do: all is as the file says."
    empty = Command({"RELAY_DATABASE_URL": other_url, "RELAY_SECRET_KEY": new_secret_key()})
    empty("apply", str(setup), "--yes", **GIVEN_AGAIN)
    empty("token", "add", "acme", "--name", "ci")
    empty("apply", str(setup), "--yes", **GIVEN_AGAIN)
    assert empty("export", "setup").stdout == dump
    assert "Nothing to do" in empty("apply", str(setup), **GIVEN_AGAIN).stderr

    only_what_differs_is_planned(empty, setup, dump)


def test_a_file_says_all_that_is_set_of_a_tenant() -> None:
    """What `relay tenant set` changes is in a file too; a multiplier is a row of its own there."""
    spelt = {"resale": "factor", "asset_gb_month_micros": "asset_gb_month"}

    set_of_it = {spelt.get(name, name) for name in TenantChanges.__struct_fields__}

    assert set_of_it - set(TenantEntry.__struct_fields__) == {"multiplier"}


class Meddling(io.BytesIO):
    """What is typed at a prompt, by somebody for whom something happens while they think."""

    def __init__(self, typed: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(typed)
        self.meanwhile = meanwhile

    def read1(self, size: int | None = -1) -> bytes:
        if typed := super().read1(size):
            self.meanwhile()
        return typed


def test_what_was_shown_is_what_is_done_or_it_is_refused(relay: Command, tmp_path: Path) -> None:
    """A limit that somebody else sets between the plan and the yes: nothing of the plan is done."""
    file = tmp_path / "relay.toml"
    file.write_text("[[tenant]]\nname = 'acme'\ntasks_max = 9\n[[tenant]]\nname = 'new'\n")
    relay("tenant", "add", "acme", "--tasks-max", "5")

    def meddle() -> None:
        execute(relay, "UPDATE accounts SET tasks_max = 7")

    message = relay.refused("apply", str(file), stdin=Meddling(b"y\n", meddle))

    assert "something was changed meanwhile: look at the plan again; nothing was" in message
    (acme,) = relay.json("tenant", "list")
    assert (acme["name"], acme["tasks_max"]) == ("acme", 7)
    assert "tasks_max 7 > 9" in relay("apply", str(file), stdin="y\n").stdout


def test_a_file_that_cannot_be_so_changes_nothing(relay: Command, tmp_path: Path) -> None:
    """One sentence with the line, or the table and its key; what stood before it is not done."""
    file = written(tmp_path)
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
    cost = ("--unit-price", "0.11", "--currency", "CNY", "--rate", "7.12", "--yes")
    relay("channel", "cost", "main", *cost)
    codes = ("--name", "spring", "--count", "2", "--amount", "5", "--expires", "2100-01-01")
    (_, *made) = relay("code", "make", *codes).stdout.split()
    relay("notify", "add", "acme", "--wecom", f"{BOT}bot-secret")
    relay("alert", "add", PAGER)
    relay("operator", "token", "add", "ann")
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
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}
    secrets = ("bot-secret", "p-secret-1", made[0].split(",")[0], made[1].split(",")[0])
    for secret in (
        *secrets,
        issued["secret_key"],
        issued["api_key"],
        "the-channels-key",
        "_sealed",
        "_hash",
    ):
        assert secret not in written
    assert "_micros" not in written
    assert [one["amount"] for one in read["entries"]] == ["1", "1", "1", "12.345678"]
    assert read["tenants"][0]["quota"] == "15.345678"
    assert [(one["limit"], one["allowed"]) for one in read["limits"]] == [("month", "3.5")]
    assert [one["amount"] for one in read["prices"]] == ["3"]
    assert [(one["batch"], one["state"], one["amount"]) for one in read["codes"]] == [
        *(("spring", "free", "5"),) * 2
    ]
    assert [(one["price"], one["rate"]) for one in read["costs"]] == [("0.11", "7.12")]
    (place,) = read["notice-places"]
    assert (place["tenant"], place["shown"]) == ("acme", "wecombot://qyapi.weixin.qq.com")
    assert [one["shown"] for one in read["alert-places"]] == ["json://pager.test"]
    filled = ("channels", "tokens", "multipliers", "pauses", "operators", "operator-tokens")
    assert all(read[name] for name in (*filled, "alert-rules", "code-batches"))
    lines = relay("export", "changes").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [one["id"] for one in read["changes"]]
    assert "say --out DIR" in relay.refused("export", "all", code=2)
