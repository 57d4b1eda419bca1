"""What is kept is listed, shown and ended by whose it is."""

from typing import Any

import httpx

from relay.tenants.tokens import IssuedToken
from tests.assets.kling_files import FILES_URL, PICTURE, VIDEO, Keeper, told
from tests.relay_app import bearer


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
