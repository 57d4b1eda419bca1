"""Whose turn it is, and what comes of what nobody foresaw: without a worker, step by step."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from relay.assets.copier import Copier
from relay.assets.links import PREFIX
from relay.assets.remover import Remover
from relay.assets.store import AssetStore
from relay.counts import Counts
from relay.database.embedded import EmbeddedPostgres
from relay.desk.assets import mend_store
from tests.assets.kling_files import FILES_URL, PICTURE, VIDEO, Keeper, open_keeper, told
from tests.clones import cloned
from tests.relay_app import ACTOR


@pytest.fixture(scope="module")
async def still(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Keeper]:
    """A relay in which nothing happens by itself."""
    folder = tmp_path_factory.mktemp("still")
    async with (
        cloned(postgres_server, template) as url,
        open_keeper(url, folder, with_worker=False, asset_url=FILES_URL) as opened,
    ):
        yield opened


def a_copier(keeper: Keeper, **given: Any) -> Copier:
    parts = keeper.relay.parts
    return Copier(
        parts.store.pool,
        files=parts.assets.files,
        store=given.get("store", parts.assets.store),
        directory=parts.kling.directory,
        counts=Counts(),
    )


async def all_due(copier: Copier, *, limit: int = 4) -> None:
    while dues := await copier.claim_due(limit):
        for due in dues:
            await copier.copy(due)


async def test_a_backlog_holds_up_nobody_else(still: Keeper) -> None:
    """Of three tenants, one with 500 files that are due, each has a turn in three claims of one."""
    keys = [await still.make(await still.add_tenant(name)) for name in ("heap", "one", "another")]
    await still.relay.rows(
        "INSERT INTO assets (tenant_id, task_id, source, source_url, next_attempt_at)"
        " SELECT tenant_id, id, 'result', $2 || n, now() - interval '1 day'"
        " FROM tasks, generate_series(1, 500) n WHERE kling_id = $1",
        *(keys[0], f"{still.host.url}/heap"),
    )
    for key in keys[1:]:
        for number in range(2):
            await still.note(key, f"{still.host.url}/{number}.mp4")
    copier = a_copier(still)

    turns = [due.tenant_id for _ in range(6) for due in await copier.claim_due(1)]
    rest = await copier.claim_due(4)

    assert len(set(turns[:3])) == len(set(turns[3:])) == 3, turns
    assert len({due.tenant_id for due in rest}) == 1
    assert len({due.id for due in rest}) == 4
    await still.relay.rows("DELETE FROM assets")


async def test_results_that_differ_in_their_query_are_two(still: Keeper) -> None:
    """Each is copied and shown as itself; one that is signed anew is the one that it was."""
    token = await still.add_tenant("queries", result_urls="ours")
    key = await still.make(token)
    assets, task = still.relay.parts.assets, await still.relay.task(key)
    one, other = (f"{still.host.url}/same.mp4?file={number}&sign=a" for number in (1, 2))

    async def say(*urls: str) -> bytes:
        videos = [{"id": "1", "url": url, "duration": "5"} for url in urls]
        result = {"task_id": key, "task_status": "succeed", "task_result": {"videos": videos}}
        body = msgspec.json.encode(result)
        await still.relay.rows(
            "UPDATE tasks SET reply = $2, result_urls = $3 WHERE id = $1",
            *(task["id"], body.decode(), list(urls)),
        )
        await assets.noter.note(task["id"])
        return body

    await say(one, other)
    body = await say(one.replace("sign=a", "sign=b"), other.replace("sign=a", "sign=b"))
    rows = await still.assets(key)
    assert [row["source_url"][-13:] for row in rows] == ["file=1&sign=b", "file=2&sign=b"]
    assert await assets.urls.put_ours([(task["id"], body)], now_s=time.time()) == [body]

    [due] = await assets.copier.claim_due(1)
    await assets.copier.copy(due)
    [shown] = await assets.urls.put_ours([(task["id"], body)], now_s=time.time())
    assert shown.count(PREFIX.encode()) == 1
    assert rows[1]["source_url"].encode() in shown, "it is not the first one's"
    await all_due(assets.copier)
    [shown] = await assets.urls.put_ours([(task["id"], body)], now_s=time.time())
    for row in rows:
        assert shown.count(str(row["public_id"]).encode()) == 1
    mine = await still.relay.client.get(
        f"/relay/tasks/{key}", headers={"authorization": f"Bearer {token.api_key}"}
    )
    assert all(url.startswith(FILES_URL) for url in mine.json()["data"]["results"])


async def test_a_callback_of_a_success_without_files_waits_for_nothing(still: Keeper) -> None:
    """While its files are yet to be noted it waits; once there are none, no more."""
    token = await still.add_tenant("fileless", result_urls="ours")
    key = await still.make(token)
    urls, task = still.relay.parts.assets.urls, await still.relay.task(key)

    async def shown() -> bytes | None:
        return await urls.for_callback(b"{}", task_id=task["id"], waited_s=1.0, now_s=time.time())

    assert await shown() is None
    await still.relay.rows("UPDATE outbox SET done_at = now() WHERE task_id = $1", task["id"])
    assert await shown() == b"{}"


async def test_files_of_a_removed_tenant_end(still: Keeper) -> None:
    """What is kept leaves the store, and what is due is copied no more, nor noted."""
    token = await still.add_tenant("leaves")
    key = await still.make(token)
    assets, task = still.relay.parts.assets, await still.relay.task(key)
    await assets.noter.note(task["id"])
    await all_due(assets.copier)
    await still.note(key, f"{still.host.url}/late.mp4")
    await still.relay.rows(
        "UPDATE tenants SET enabled = false, removed_at = now() WHERE name = 'leaves'"
    )

    assert await assets.copier.claim_due(4) == []
    await still.relay.rows("UPDATE tasks SET reply = replace(reply, '.mp4', '-b.mp4')")
    await assets.noter.note(task["id"])
    await Remover(still.relay.parts.store.pool, assets.store).turn()

    rows = await still.assets(key)
    assert [(row["state"], row["reason"]) for row in rows] == (
        [("deleted", "its tenant was removed")] * 2
    )
    await still.relay.rows("UPDATE asset_objects SET unused_after = now() - interval '1 s'")
    await Remover(still.relay.parts.store.pool, assets.store).turn()
    assert not list((still.folder / str(task["tenant_id"])).rglob("*.*"))


class Odd(AssetStore):
    def spool_folder(self) -> Any:
        raise LookupError("nobody foresaw it")


async def test_what_nobody_foresaw_ends_after_30_days_too(still: Keeper) -> None:
    """Put off as any other failure; so is what kills whoever copies it."""
    key = await still.make(await still.add_tenant("odd"))
    one = await still.note(key, f"{still.host.url}/odd.mp4")
    copier = a_copier(still, store=Odd(str(still.folder), dict))

    async def tried(age: str, attempts: int) -> Any:
        await still.relay.rows(
            "UPDATE assets SET next_attempt_at = now(), attempts = $3,"
            " created_at = now() - $2::text::interval WHERE public_id = $1",
            *(one, age, attempts),
        )
        [due] = await copier.claim_due(4)
        await copier.copy(due)
        return await still.row(one)

    row = await tried("1 hour", 0)
    assert (row["state"], row["lease"]) == ("due", None)
    assert row["reason"] == "a fault of the relay's own (LookupError)"
    asked = len(still.host.asked)
    row = await tried("32 days", 7)
    assert (row["state"], row["reason"]) == ("lost", "Kling has it no more")
    assert len(still.host.asked) == asked


async def test_a_store_that_was_set_back_is_mended(still: Keeper) -> None:
    """What it has not is copied again; a file that nobody has any more is said to be lost."""
    token = await still.add_tenant("set-back")
    key = await still.make(token)
    assets = still.relay.parts.assets
    still.host.answers["/kept.png"] = told(PICTURE)
    for path in ("/one.mp4", "/kept.png"):
        await still.note(key, still.host.url + path)
    await all_due(assets.copier)
    rows = await still.assets(key)
    await still.relay.rows(
        "UPDATE assets SET created_at = now() - interval '31 days' WHERE id = $1", rows[1]["id"]
    )
    of_tenant = still.folder / str(rows[0]["tenant_id"])
    for content in of_tenant.rglob("*.*"):
        content.unlink()

    async with still.relay.sessions.begin() as session:
        mended = await mend_store(
            session, ACTOR, missing=[row["object_id"] for row in rows if row["object_id"]]
        )
    await all_due(assets.copier)

    assert (mended.missing, mended.anew, mended.lost) == (2, 1, 1)
    first, second = await still.assets(key)
    assert (first["state"], second["state"]) == ("stored", "lost")
    assert first["object_id"] != rows[0]["object_id"]
    [content] = of_tenant.rglob("*.*")
    assert content.read_bytes() == VIDEO
