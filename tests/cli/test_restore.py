"""A database that was lost: backup, restore and recover, as an operator types them."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from relay.kling.httpx_transport import HttpxTransport
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.secrets import KeyRing
from tests.cli.command import Command
from tests.cli.test_backup import MEMORY
from tests.clones import execute as execute_on
from tests.relay_app import CLIP, TEXT2VIDEO, running_relay
from tests.waiting import PATIENCE_S, wait_until

PAIR = f"{DEFAULT_ACCOUNT.access_key}|{DEFAULT_ACCOUNT.secret_key}"
NEW_CLIP = {"prompt": "a fox", "settings": {"duration": 5, "resolution": "720p"}}
NEW_PATH = "/kling/text-to-video/kling-3.0-turbo"
SUCCEED = {"succeed", "succeeded"}


@pytest.fixture
def empty_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database without tables, as `createdb` leaves it."""
    name = f"empty_{uuid4().hex[:12]}"
    asyncio.run(execute_on(postgres_server, f"CREATE DATABASE {name}"))
    yield postgres_server.url(name)
    asyncio.run(execute_on(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


def create(relay: Command, api_key: str, *orders: tuple[str, Any]) -> list[tuple[int, str]]:
    """Send creates by a relay on the command's database, and wait for those that were taken to end;
    of each its status and Kling's id, or the refusal's code."""
    keys = KeyRing.parse(relay.environ["RELAY_SECRET_KEY"])
    headers = {"Authorization": f"Bearer {api_key}"}

    async def run() -> list[tuple[int, str]]:
        transport = HttpxTransport()
        said = []
        async with running_relay(
            relay.environ["RELAY_DATABASE_URL"], transport=transport, keys=keys, refresh_s=0
        ) as running:
            for path, body in orders:
                reply = await running.client.post(path, json=body, headers=headers)
                data = reply.json().get("data") or {}
                kling_id = data.get("task_id") or data.get("id")
                said.append((reply.status_code, kling_id or str(reply.json()["code"])))

                async def has_ended(kling_id: Any = kling_id) -> bool:
                    row = await running.task(kling_id)
                    await running.client.get(f"/v1/videos/{kling_id}", headers=headers)
                    return bool(row["ended_at"])

                if kling_id:
                    await wait_until(has_ended)
        await transport.aclose()
        return said

    return asyncio.run(run())


def rows(relay: Command, query: str) -> list[Any]:
    async def run() -> list[Any]:
        connection = await asyncpg.connect(dsn(relay.environ["RELAY_DATABASE_URL"]))
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(run())


def test_a_lost_database_comes_back_paused_and_says_what_is_missing(
    relay: Command, sandbox_url: str, empty_url: str, tmp_path: Path
) -> None:
    """A task before the backup, two after it; then the database is gone. What was restored refuses
    creates until the pause ends, gives ids that the lost one never gave, and `relay recover` lists
    exactly the two, with what Kling took for them."""
    relay("tenant", "add", "acme", "--quota", "10")
    api_key = relay.json("token", "add", "acme")["api_key"]
    relay(
        *("channel", "add", "main", "--key", PAIR, "--api-key", DEFAULT_ACCOUNT.api_key),
        *("--base-url", sandbox_url, "--group", "none"),
    )
    ((_, kept),) = create(relay, api_key, (TEXT2VIDEO, CLIP))
    relay("backup", "--to", f"{tmp_path}/")
    lost = create(relay, api_key, (TEXT2VIDEO, CLIP), (NEW_PATH, NEW_CLIP))
    ((lost_prefix,),) = rows(relay, "SELECT external_prefix FROM deployment")
    httpx.post(
        f"{sandbox_url}/v1/videos/text2video",
        json=CLIP | {"external_task_id": "r9999999999-2-00ff"},
        headers={"Authorization": f"Bearer {DEFAULT_ACCOUNT.api_key}"},
        timeout=PATIENCE_S,
    ).raise_for_status()

    back = Command(relay.environ | {"RELAY_DATABASE_URL": empty_url})
    asked = back("restore", str(tmp_path), code=1)
    shown = back("restore", str(tmp_path), "--yes").stdout
    refused = create(back, api_key, (TEXT2VIDEO, CLIP))
    config = tmp_path / "relay.toml"
    config.write_text('[[endpoints]]\nname = "gone"\npath = "/v1/videos/gone"\n')
    found = back.json("recover", RELAY_CONFIG=str(config))  # with one that Kling has no more
    told = back("recover")
    pauses = back.json("pause", "list")
    back("pause", "end", str(pauses[0]["id"]))
    made = create(back, api_key, (TEXT2VIDEO, CLIP))
    prefixes = dict(rows(back, "SELECT kling_id, split_part(injected_id, '-', 1) FROM tasks"))
    (change,) = [one for one in back.json("changes", "list") if one["act"] == "database.restore"]

    assert "Restore it?" in asked.stderr
    assert "Every create is paused (pause 1)" in shown
    assert lost_prefix in shown
    assert refused == [(503, "5001")]
    assert [one["reason"][:8] for one in pauses] == ["set back"]
    assert {one["kling_id"] for one in found["lost"]} == {kling_id for _, kling_id in lost}
    assert {one["injected_id"].split("-")[0] for one in found["lost"]} == {lost_prefix}
    assert [one["task_id"] for one in found["lost"]] == [2, 3]
    assert {(one["where"], one["cost"]["units"]) for one in found["lost"]} == {
        ("text2video", "3"),
        ("/tasks", "4"),
    }
    assert "Together 0.98 USD at Kling's list price." in told.stdout
    assert "top-ups: compare with what was paid" in told.stdout
    assert found["last_acts"]["token.issue"]["subject"] == "1"
    assert found["last_acts"]["token.revoke"] is None
    assert prefixes[kept] == lost_prefix
    assert prefixes[made[0][1]] == change["after"]["external_prefix"] != lost_prefix
    assert back.json("audit")["ok"]

    # Once more, over what is there: it is set aside whole, and now the newest task is missing too.
    assert "the database is not empty" in back.refused("restore", str(tmp_path), "--yes")
    again = back.json("restore", str(tmp_path), "--yes", "--replace")
    (aside,) = rows(back, f"SELECT count(*) FROM {again['set_aside']}.tasks")
    found = back.json("recover")
    assert aside == (2,)
    assert again["former_prefix"] == lost_prefix, "the backup's"
    assert {one["kling_id"] for one in found["lost"]} == {kling_id for _, kling_id in lost}


def test_what_postgres_set_back_is_marked_by_hand(relay: Command, database_url: str) -> None:
    """While nobody is connected; with the moment, a new prefix and a pause. A moment that is yet to
    come is refused, and so is `recover` where nothing was set back."""
    assert "was never set back" in relay.refused("recover")

    async def refused_while_connected() -> str:
        connection = await asyncpg.connect(dsn(database_url))
        try:
            return await asyncio.to_thread(
                relay.refused, "restore", "--as-of", "2026-11-26 03:00Z", "--yes"
            )
        finally:
            await connection.close()

    assert "others are connected (1 by a client of postgres)" in asyncio.run(
        refused_while_connected()
    )
    assert "yet to come" in relay.refused("restore", "--as-of", "2100-01-01", "--yes")
    before = rows(relay, "SELECT external_prefix FROM deployment")
    marked = relay.json("restore", "--as-of", "2026-11-26 03:00Z", "--yes")
    found = relay.json("recover")

    assert [(marked["former_prefix"],)] == before
    assert marked["external_prefix"] != marked["former_prefix"]
    assert found["since"] == "2026-11-26T03:00:00Z"
    assert found["set_back"]["prefixes"] == [marked["external_prefix"], marked["former_prefix"]]
    assert found["lost"] == found["not_asked"] == []
    assert len(relay.json("pause", "list")) == 1
    for args in ((), ("x", "--as-of", "2026-11-26"), ("--as-of", "2026-11-26", "--replace")):
        relay("restore", *args, code=2)


def test_an_embedded_database_comes_back_on_another_machine(tmp_path: Path) -> None:
    """With the key given by hand, which lies beside the new one afterwards."""
    top = Path(MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) / f"relay-{uuid4().hex}"
    top.mkdir(mode=0o711)
    here, there = top / "here", top / "there"
    relay = Command({"RELAY_DATA_DIR": str(here)})
    relay("tenant", "add", "acme", "--quota", "1")
    file = relay.json("backup", "--to", f"{tmp_path}/")["place"]
    key = (here / "secret.key").read_text().strip()
    elsewhere = Command({"RELAY_DATA_DIR": str(there)})

    assert "RELAY_SECRET_KEY is missing" in elsewhere.refused("restore", file, "--yes", code=2)
    elsewhere("restore", file, "--yes", RELAY_SECRET_KEY=key)

    assert [one["name"] for one in elsewhere.json("tenant", "list")] == ["acme"]
    assert (there / "secret.key").read_text().strip() == key
    shutil.rmtree(top)  # at which their servers stop
