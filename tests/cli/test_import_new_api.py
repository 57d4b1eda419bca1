"""`relay import new-api`: from each version, on each engine, twice, cut off, and refused."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.cli.command import Command, execute
from tests.cli.new_api_servers import mariadb_places, postgres_places
from tests.new_api.installations import (
    CODE,
    LONG_AGO,
    NEWEST,
    VERSIONS,
    key_of,
    make_file,
    rows_of,
)

NOWHERE = "http://kling.test"
SECRETS = (
    "secret-1",
    "sandbox-secret",
    "proxy-password",
    "sk-upstream",
    key_of(1),
    key_of(3),
    CODE,
)


def moved(relay: Command, place: str, *options: str, **given: Any) -> dict[str, Any]:
    """Move it, and read the report as one document."""
    result = relay(
        "import", "new-api", place, "--apply", "--yes", "--format", "json", *options, **given
    )
    assert not any(secret in result.output for secret in SECRETS)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def looked(relay: Command, place: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        relay("import", "new-api", place, "--format", "json").stdout
    )
    return document


def change(place: str, statement: str) -> None:
    """Let something happen there."""
    connection = sqlite3.connect(place)
    connection.execute(statement)
    connection.commit()
    connection.close()


def quotas(relay: Command) -> dict[str, int]:
    return {one["name"]: one["quota_micros"] for one in relay.json("tenant", "list")}


def verdicts(lines: list[dict[str, Any]]) -> list[str]:
    return [line["verdict"] for line in lines]


def openings(relay: Command, tenant: str) -> list[tuple[str, int]]:
    listed = relay.json("entry", "list", "--tenant", tenant)
    return [(one["reference"], one["amount_micros"]) for one in listed]


def test_nothing_is_written_before_it_is_told_to(
    relay: Command, tmp_path: Path, sandbox_url: str
) -> None:
    """A dry run leaves the relay as it was, and the file; what it prints holds no secret."""
    place = make_file(tmp_path / "one-api.db", NEWEST, sandbox_url)
    before = Path(place).read_bytes()

    result = relay("import", "new-api", place)

    assert "Nothing was written" in result.stderr
    assert not any(secret in result.output for secret in SECRETS)
    assert relay.json("tenant", "list") == relay.json("channel", "list") == []
    assert relay.json("changes", "list") == []
    assert Path(place).read_bytes() == before


def test_all_of_it_is_moved_once(relay: Command, tmp_path: Path, sandbox_url: str) -> None:
    """Tenants, openings to the micro, channels split and merged, groups and prices; a second run
    finds all of it, and changes nothing; the books are right."""
    place = make_file(tmp_path / "one-api.db", NEWEST, sandbox_url)

    report = moved(relay, place)

    assert quotas(relay) == {"alice": 2_469_134, "bob": -500, "carol": 10_000_000}
    assert openings(relay, "alice") == [("new-api user 2", 2_469_134)]
    channels = {one["name"]: one for one in relay.json("channel", "list")}
    assert set(channels) == {"kling 1", "kling 2"}
    assert (channels["kling 1"]["enabled"], channels["kling 2"]["enabled"]) == (False, True)
    assert channels["kling 2"]["groups"] == ["default", "test-group", "vip"]
    assert channels["kling 2"]["models"] == ["kling-v1-6", "kling-v2-1-master", "kling-v2-master"]
    assert (channels["kling 2"]["priority"], channels["kling 2"]["weight"]) == (5, 1)
    tenants = {one["name"]: one for one in relay.json("tenant", "list")}
    assert (tenants["carol"]["enabled"], tenants["bob"]["price_group"]) == (False, "vip")
    prices = {
        (one["price_group"], one["endpoint"], one["model"]): one["amount_micros"]
        for one in relay.json("price", "list")
        if one.get("price_group")
    }
    assert prices["vip", "image2video", "kling-v1-6"] == 240_000
    assert prices["default", "text2video", "kling-v2-1-master"] == 1_100_000
    assert {one["there_micros"] for one in report["compared"] if one["using"] == "vip"} == {
        *(240_000, 880_000, None)
    }
    by_pair = [
        one for one in report["compared"] if (one["tenant"], one["using"]) == ("bob", "default")
    ]
    assert [(one["there_micros"], one["here_micros"]) for one in by_pair[:2]] == [
        *((990_000, 880_000), (270_000, 240_000))
    ]
    limited = next(one for one in relay.json("token", "list", "bob") if one["models"])
    assert (limited["models"], limited["addresses"]) == (
        ["kling-v1-6", "kling-v2-1-master"],  # "clip" there
        ["10.0.0.1/32", "10.0.0.2/32"],
    )
    (total,) = relay.json("limit", "list", "bob")
    assert (total["limit"], total["token"], total["allowed"], total["taken"]) == (
        *("total", limited["id"], 1_000_000),
        0,
    )
    assert [(one["id"], one["verdict"]) for one in report["codes"]] == [
        *((1, "new"), (3, "left out"), (4, "left out"), (6, "new"))
    ]
    assert report["models"] == [
        {"verdict": "new", "name": "clip", "model": "kling-v2-1-master", "note": ""}
    ]
    codes = relay.json("code", "show", "new-api codes")
    assert [(one["amount_micros"], one["expires_at"]) for one in codes] == [
        *((5_000_000, "2100-01-01T00:00:00Z"), (5_000_000, None))
    ]
    relay("audit")

    changes = len(relay.json("changes", "list", "--limit", "1000"))
    again = moved(relay, place)
    assert set(verdicts(again["tenants"])) == {"same"}
    assert set(verdicts(again["channels"])) == {"same", "left out"}
    assert set(verdicts(again["prices"])) == {"same"}
    assert verdicts(again["models"]) == ["same"]
    assert verdicts(again["codes"]) == ["same", "left out", "left out", "same"]
    assert len(relay.json("changes", "list", "--limit", "1000")) == changes

    redeemed = relay("code", "redeem", "alice", CODE).stdout
    assert "5 USD added to alice" in redeemed
    entry = relay.json("entry", "list", "--tenant", "alice")[0]
    assert (entry["topup_kind"], entry["reference"]) == ("correction", "code new-api codes 1")
    change(place, "UPDATE redemptions SET status = 3 WHERE id IN (1, 6)")
    assert looked(relay, place)["codes_gone"] == [2]
    assert "free here: 2 (`relay code" in relay("import", "new-api", place).stdout
    relay("audit")


@pytest.mark.parametrize("version", range(NEWEST), ids=VERSIONS[:-1])
def test_each_version_is_read(
    relay: Command, tmp_path: Path, sandbox_url: str, version: int
) -> None:
    """What a version does not have is left out; balances, keys and tasks are moved from each."""
    place = make_file(tmp_path / "one-api.db", version, sandbox_url)

    report = moved(relay, place)

    assert quotas(relay) == {"alice": 2_469_134, "bob": -500, "carol": 10_000_000}
    has_kling = version >= 1
    assert len(relay.json("channel", "list")) == (2 if has_kling else 0)
    assert report["ended_tasks"] == (2 if has_kling else 0)
    assert report["version"].startswith("v")
    assert looked(relay, place)["is_at_rest"]


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_each_engine_says_the_same(
    relay: Command, tmp_path: Path, postgres_server: EmbeddedPostgres, engine: str
) -> None:
    """Of the same rows of each version SQLite, Postgres and MariaDB give one report; moved once."""
    servers = postgres_places(postgres_server) if engine == "postgresql" else mariadb_places()
    place = ""
    with servers as fill:
        for version, name in enumerate(VERSIONS):
            place = fill(version, rows_of(version, NOWHERE))
            of_file = looked(relay, make_file(tmp_path / f"{name}.db", version, NOWHERE))
            report = looked(relay, place)
            assert {**report, "from": ""} == {**of_file, "from": ""}, name
            assert "source-password" not in report["from"]
        moved(relay, place)
        assert set(verdicts(looked(relay, place)["tenants"])) == {"same"}

    assert quotas(relay)["alice"] == 2_469_134


def test_an_opening_is_corrected_until_the_first_task(
    relay: Command, tmp_path: Path, sandbox_url: str
) -> None:
    """By a further entry, up and down; once the tenant has made a task, it is only reported."""
    place = make_file(tmp_path / "one-api.db", NEWEST, sandbox_url)
    moved(relay, place)
    relay("tenant", "topup", "alice", "1", "--ref", "paid here")

    for units, quota in ((1_000_000, 3_000_000), (250_000, 1_500_000)):
        change(place, f"UPDATE users SET quota = {units} WHERE id = 2")
        assert verdicts(moved(relay, place)["tenants"]) == ["corrected", "same", "same"]
        assert quotas(relay)["alice"] == quota
    assert sorted(openings(relay, "alice")) == [
        ("new-api user 2", 2_469_134),
        ("new-api user 2 #2", -469_134),
        ("new-api user 2 #3", -1_500_000),
        ("paid here", 1_000_000),
    ]
    relay("audit")

    make_a_task(relay, "alice")
    change(place, "UPDATE users SET quota = 7 WHERE id = 2")
    assert verdicts(moved(relay, place)["tenants"]) == ["differs", "same", "same"]
    assert quotas(relay)["alice"] == 1_500_000


def test_names_of_models_are_what_they_are_there(
    relay: Command, tmp_path: Path, sandbox_url: str
) -> None:
    """Followed to their end, corrected by the next run; not where channels differ, nor Kling's."""
    place = make_file(tmp_path / "one-api.db", NEWEST, sandbox_url)
    moved(relay, place)

    def mapped(
        mapping: str, models: str = "clip,fast,kling-v2-1,loop"
    ) -> dict[str, tuple[str, str]]:
        change(
            place,
            f"UPDATE channels SET model_mapping = '{mapping}', models = '{models}' WHERE id = 2",
        )
        report = moved(relay, place)
        return {one["name"]: (one["verdict"], one["model"]) for one in report["models"]}

    chained = (
        '{"clip": "fast", "fast": "kling-v3", "kling-v2-1": "kling-v3",'
        ' "loop": "loop2", "loop2": "loop"}'
    )
    assert mapped(chained) == {
        "clip": ("corrected", "kling-v3"),
        "fast": ("new", "kling-v3"),
        "kling-v2-1": ("left out", "kling-v3"),
    }
    change(place, "UPDATE channels SET models = 'fast' WHERE id = 3")
    assert mapped('{"fast": "kling-v2-master"}', "fast")["fast"] == (
        *("left out", "fast, kling-v2-master"),
    )
    change(place, "UPDATE channels SET models = '' WHERE id = 3")
    options = ("--name", "other")
    change(place, "UPDATE users SET id = id + 100")
    change(place, "UPDATE tokens SET user_id = user_id + 100")
    other = moved(relay, place, *options)["models"]
    assert [(one["verdict"], one["note"]) for one in other] == [
        ("differs", "by 'new-api' it is kling-v3 here")
    ]
    assert "Names of models" in relay("import", "new-api", place, *options).stdout


def test_what_was_cut_off_is_completed(relay: Command, tmp_path: Path, sandbox_url: str) -> None:
    """One tenant cannot be moved: all else is, exit code 1, and the next run does the rest."""
    place = make_file(tmp_path / "one-api.db", NEWEST, sandbox_url)
    execute(
        relay,
        "CREATE FUNCTION stops() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'stopped' USING ERRCODE = '57014'; END $$",
    )
    execute(
        relay,
        "CREATE TRIGGER stops BEFORE INSERT ON tokens FOR EACH ROW"
        f" WHEN (NEW.api_key_hint = '{key_of(3)[-4:]}') EXECUTE FUNCTION stops()",
    )

    said = relay.refused("import", "new-api", place, "--apply", "--yes")

    assert "tenant bob" in said
    assert set(quotas(relay)) == {"alice", "carol"}
    execute(relay, "DROP TRIGGER stops ON tokens")
    moved(relay, place)
    assert quotas(relay)["bob"] == -500
    assert openings(relay, "bob") == [("new-api user 3", -500)]
    assert len(relay.json("token", "list", "bob")) == 2
    relay("audit")


def test_it_refuses_what_would_lose_money(relay: Command, tmp_path: Path, sandbox_url: str) -> None:
    """Tasks that run there, a key used a moment ago, another currency, another installation under
    the same name, and what is no new-api's: a sentence each, and nothing written."""
    place = make_file(tmp_path / "runs.db", NEWEST, sandbox_url, is_running=True)
    assert "1 tasks run there" in relay.refused("import", "new-api", place, "--apply", "--yes")
    change(place, "DELETE FROM tasks WHERE id = 4")
    change(place, "UPDATE tokens SET accessed_time = 4000000000 WHERE id = 1")
    assert "used a moment ago" in relay.refused("import", "new-api", place, "--apply", "--yes")
    assert "--rate" in relay.refused("import", "new-api", place, code=2, RELAY_CURRENCY="CNY")
    for wrong, said in (
        ("nowhere.db", "there is no file"),
        ("https://new-api.test", "not https://"),
        ("mysql://root:pass-word@127.0.0.1:1/x", "cannot be read"),
        ("postgresql://root:pass-word@127.0.0.1:1/x", "cannot be read"),
    ):
        refused = relay.refused("import", "new-api", wrong)
        assert said in refused
        assert "pass-word" not in refused
    (tmp_path / "text.db").write_text("no database at all, but a text that is long enough" * 20)
    assert "cannot be read" in relay.refused("import", "new-api", str(tmp_path / "text.db"))
    assert relay.json("tenant", "list") == []

    moved(relay, place, "--while-running")
    change(place, f"UPDATE tokens SET accessed_time = {LONG_AGO}")
    change(place, "UPDATE users SET username = 'somebody' WHERE id = 3")
    assert looked(relay, place)["tenants"][1]["name"] == "bob"  # by its keys
    change(place, "DELETE FROM tokens WHERE user_id = 3")
    assert "another new-api was moved here" in relay.refused("import", "new-api", place)
    moved(relay, place, "--name", "second")
    assert quotas(relay)["somebody"] == -500


def test_another_currency_is_reckoned_by_the_rate(
    relay: Command, tmp_path: Path, sandbox_url: str
) -> None:
    """Balances and prices; units a dollar are read and not assumed; rounded once to the micro."""
    place = make_file(tmp_path / "one-api.db", NEWEST, sandbox_url)
    change(place, "UPDATE options SET value = '300000' WHERE key = 'QuotaPerUnit'")
    relay.environ["RELAY_CURRENCY"] = "CNY"

    report = moved(relay, place, "--rate", "7.1")

    assert quotas(relay)["alice"] == 29_218_086  # 1,234,567 / 300,000 x 7.1 = 29.2180856…
    amounts = {(one["price_group"], one["model"]): one["amount_micros"] for one in report["prices"]}
    assert amounts["default", "kling-v1-6"] == 2_130_000


def make_a_task(relay: Command, tenant: str) -> None:
    """Let a tenant have made one, as its row says."""
    columns = "tenant_id, account_id, token_id, channel_id, endpoint, injected_id, state, quote"
    execute(
        relay,
        f"INSERT INTO tasks ({columns}, hold_micros, request_id, hold_ended_at, submit_deadline_at)"
        " SELECT t.id, t.account_id, k.id, c.id, 'text2video', 'x', 'refused', '{}', 0, 'r',"
        " now(), now()"
        " FROM tenants t JOIN tokens k ON k.tenant_id = t.id, channels c"
        f" WHERE t.name = '{tenant}' ORDER BY k.id, c.id LIMIT 1",
    )
