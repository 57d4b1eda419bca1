"""What is kept is listed, shown, ended and read again: by operators, and by whose it is."""

import asyncio
from typing import Any

import httpx

from relay.tenants.tokens import IssuedToken
from tests.assets.kling_files import FILES_URL, PICTURE, VIDEO, Keeper, told
from tests.cli.command import Command
from tests.relay_app import bearer
from tests.waiting import wait_until


async def ask(keeper: Keeper, token: IssuedToken, path: str, method: str = "GET") -> httpx.Response:
    return await keeper.relay.client.request(method, f"/relay/{path}", headers=bearer(token))


async def data(keeper: Keeper, token: IssuedToken, path: str) -> Any:
    return (await ask(keeper, token, path)).json()["data"]


async def test_a_tenant_sees_and_ends_its_own_alone(keeper: Keeper) -> None:
    """With the bytes that it has, newest first, by pages; another one's does not exist."""
    mine = await keeper.add_tenant("looks", asset_bytes_max=10**6)
    other = await keeper.add_tenant("curious")
    keeper.host.answers["/looked-at.png"] = told(PICTURE)
    key = await keeper.make(mine)
    await keeper.note(key, f"{keeper.host.url}/looked-at.png")
    rows = await keeper.stored(key, 2)

    listed = await data(keeper, mine, "assets")
    first, second = listed["assets"]
    assert (listed["bytes"], listed["bytes_max"], listed["keep_days"]) == (
        len(VIDEO) + len(PICTURE),
        10**6,
        30,
    )
    assert {first["asset_id"], second["asset_id"]} == {str(row["public_id"]) for row in rows}
    assert first["url"].startswith(f"{FILES_URL}/assets/{first['asset_id']}.")
    page = await data(keeper, mine, "assets?pageSize=1")
    assert page["assets"] == [first]
    after = await data(keeper, mine, f"assets?pageSize=1&before={page['next_before']}")
    assert (after["assets"], after["next_before"]) == ([second], None)
    assert len((await data(keeper, mine, f"assets?task_id={key}&state=stored"))["assets"]) == 2
    assert (await data(keeper, mine, "assets?state=lost"))["assets"] == []
    assert (await ask(keeper, mine, "assets?state=x")).status_code == 400

    theirs = await data(keeper, other, f"assets?task_id={key}")
    assert (theirs["assets"], theirs["bytes"]) == ([], 0)
    one = f"assets/{first['asset_id']}"
    for path, method in ((one, "GET"), (f"{one}/delete", "POST"), ("assets/x", "GET")):
        refused = await ask(keeper, other, path, method)
        assert (refused.status_code, refused.json()["message"]) == (400, "Asset not found")

    assert (await keeper.relay.client.get(first["url"])).status_code == 200
    ended = (await ask(keeper, mine, f"{one}/delete", "POST")).json()["data"]
    assert (ended["state"], ended["url"]) == ("deleted", None)
    assert (await keeper.relay.client.get(first["url"])).status_code == 404
    again = await ask(keeper, mine, f"{one}/delete", "POST")
    assert "over already" in again.json()["message"]
    [change] = await keeper.relay.rows("SELECT * FROM changes WHERE act = 'asset.delete'")
    assert change["actor"] == "tenant:looks"


async def test_commands_tell_what_is_kept_and_what_is_not_there(keeper: Keeper) -> None:
    """Whole files are said to be there; one that was cut, changed or taken away is named."""
    token = await keeper.add_tenant("verified")
    key = await keeper.make(token)
    [row] = await keeper.stored(key)
    command = Command(
        {
            "RELAY_DATABASE_URL": keeper.relay.database_url,
            "RELAY_SECRET_KEY": keeper.secret,
            "RELAY_ASSET_STORE": str(keeper.folder),
            "RELAY_ASSET_URL": FILES_URL,
        }
    )
    path = keeper.folder / (
        f"{row['tenant_id']}/{row['sha256'][:2]}/{row['sha256']}.{row['object_id']}"
    )
    of = ("--tenant", "verified")

    def look() -> None:
        [listed] = command.json("asset", "list", *of)
        assert (listed["asset"], listed["bytes"]) == (str(row["public_id"]), len(VIDEO))
        said = command("asset", "list", *of)
        assert f"{len(VIDEO):,} bytes of verified, in 1 objects" in said.stderr
        shown = command("asset", "show", str(row["public_id"])).stdout
        assert f"{FILES_URL}/assets/{row['public_id']}.mp4?until=" in shown
        assert "All is there: 1 objects" in command("asset", "verify", *of).stdout

        path.write_bytes(VIDEO[:-1] + b"x")
        assert "another one" in command("asset", "verify", *of, code=1).stdout
        path.write_bytes(VIDEO[:-1])
        assert "should have" in command("asset", "verify", *of, code=1).stdout
        path.unlink()
        [wrong] = command.json("asset", "verify", *of, code=1)
        assert wrong["why_not"] == "it is not in the store"
        path.write_bytes(VIDEO)

        checked = command.json("check")["findings"]
        [said] = [one for one in checked if one["subject"] == "kept files"]
        assert (said["level"], str(keeper.folder) in said["said"]) == ("good", True)
        nowhere = command.json("check", code=1, RELAY_ASSET_STORE="/proc/nowhere")["findings"]
        assert ("kept files", "bad") in {(one["subject"], one["level"]) for one in nowhere}

        assert "no asset" in command.refused("asset", "show", "nothing")
        command("asset", "delete", str(row["public_id"]), "--yes")
        assert "over already" in command.refused("asset", "delete", str(row["public_id"]), "--yes")
        assert command.json("asset", "list", *of, "--state", "stored") == []

    await asyncio.to_thread(look)


async def test_what_an_operator_switches_on_holds_from_the_next_task_on(keeper: Keeper) -> None:
    """And off, likewise; the settings are shown as they were said."""
    token = await keeper.add_tenant("switched", keep_results_days=None)
    command = Command(
        {"RELAY_DATABASE_URL": keeper.relay.database_url, "RELAY_SECRET_KEY": keeper.secret}
    )
    on = ("--keep-results", "2", "--keep-gb", "0.5", "--result-urls", "ours")
    told = await asyncio.to_thread(command.json, "tenant", "set", "switched", *on)
    names = ("keep_results_days", "asset_bytes_max", "result_urls")
    assert [told[name] for name in names] == [2, 500_000_000, "ours"]

    async def is_followed() -> bool:
        row = await keeper.relay.task(await keeper.make(token))
        return bool(row["follows"] == ["assets"])

    await wait_until(is_followed)
    off = ("--keep-results", "none", "--keep-gb", "none", "--result-urls", "kling")
    told = await asyncio.to_thread(command.json, "tenant", "set", "switched", *off)
    assert [told[name] for name in names] == [None, None, "kling"]
    refused = await asyncio.to_thread(
        lambda: command.refused("tenant", "set", "switched", "--keep-results", "x", code=2)
    )
    assert "neither a number of days nor none" in refused
