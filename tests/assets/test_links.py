"""Our links: put in place of Kling's for who wants them, and good for one file and some days."""

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from relay.assets.links import AssetLinks
from relay.desk.tenants import TenantChanges, change_tenant
from relay.proxy.ranges import Unsatisfiable, read_range
from relay.secrets import KeyRing, new_secret_key
from tests.assets.kling_files import FILES_URL, VIDEO, Keeper
from tests.relay_app import ACTOR, CLIP, TEXT2VIDEO, bearer
from tests.waiting import wait_until


def url_in(data: Any) -> str:
    return str(data["task_result"]["videos"][0]["url"])


async def test_a_task_shows_our_link_once_its_file_is_kept(keeper: Keeper) -> None:
    """In a query, a list and 2.0's queries; whatever else it says keeps its bytes."""
    ours = await keeper.add_tenant("shows-ours", result_urls="ours")
    klings = await keeper.add_tenant("shows-klings")
    key, other = await keeper.make(ours), await keeper.make(klings)
    [row], [others] = await keeper.stored(key), await keeper.stored(other)

    shown = await keeper.relay.get(ours, key)
    plain = await keeper.relay.get(klings, other)
    link = url_in(shown.json()["data"])

    assert url_in(plain.json()["data"]) == others["source_url"]
    assert link.startswith(f"{FILES_URL}/assets/{row['public_id']}.mp4?until=")
    head = bearer(ours)
    listed = (await keeper.relay.client.get(TEXT2VIDEO, headers=head)).json()["data"]
    assert [url_in(one) for one in listed] == [link]
    many = await keeper.relay.client.get(f"/kling/tasks?task_ids={key}", headers=head)
    assert many.json()["data"][0]["outputs"][0]["url"] == link

    whole = await keeper.relay.client.get(link)
    assert (whole.status_code, whole.content) == (200, VIDEO)
    saved = [await keeper.relay.client.get(f"{link}&save={name}") for name in ("95-1", "9%22;x")]
    own = f'inline; filename="{row["public_id"]}.mp4"'
    assert [one.headers["content-disposition"] for one in saved] == [
        *('attachment; filename="95-1.mp4"', own)
    ]
    assert saved[0].content == VIDEO

    async with keeper.relay.sessions.begin() as session:
        await change_tenant(session, ACTOR, "shows-ours", TenantChanges(result_urls="kling"))

    async def as_klings() -> str | None:
        text = (await keeper.relay.get(ours, key)).text.partition('"data":')[2]
        return text if row["source_url"] in text else None

    text = await wait_until(as_klings)
    assert text.count(row["source_url"]) == 1
    assert text.replace(row["source_url"], link) == shown.text.partition('"data":')[2]
    assert await keeper.relay.account("shows-ours") == await keeper.relay.account("shows-klings")


async def test_nobody_is_shown_a_link_to_another_tenants_file(keeper: Keeper) -> None:
    """Not even of whom a task names the very URL that was copied for another one."""
    mine = await keeper.add_tenant("has-it", result_urls="ours")
    other = await keeper.add_tenant("names-it", result_urls="ours")
    key, theirs = await keeper.make(mine), await keeper.make(other)
    [row], [others] = await keeper.stored(key), await keeper.stored(theirs)
    await keeper.relay.rows(
        "UPDATE tasks SET reply = replace(reply, $2, $3) WHERE kling_id = $1",
        *(theirs, others["source_url"], row["source_url"]),
    )

    shown = url_in((await keeper.relay.get(other, theirs)).json()["data"])

    assert shown == row["source_url"]


async def test_a_callback_waits_for_what_is_copied(keeper: Keeper) -> None:
    """It has our link in it where Kling's would be; the state before it is told at once."""
    token = await keeper.add_tenant("told-ours", result_urls="ours")
    before = len(keeper.host.posted)

    key = await keeper.make(token, CLIP | {"callback_url": f"{keeper.host.url}/hook"})

    async def told() -> Any:
        posted = keeper.host.posted[before:]
        return next((one for one in posted if one["task_status"] == "succeed"), None)

    body = await wait_until(told)
    assert body["task_id"] == key
    [row] = await keeper.assets(key)
    assert url_in(body).startswith(f"{FILES_URL}/assets/{row['public_id']}.mp4")
    attempts = await keeper.relay.rows(
        "SELECT a.* FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id"
        " JOIN tasks t ON t.id = d.task_id WHERE t.kling_id = $1 AND d.task_status = 'succeed'",
        key,
    )
    assert len(attempts) == 1


async def test_a_callback_waits_a_minute_at_most(keeper: Keeper) -> None:
    """Then it is sent with Kling's URL; so it is at once where the file cannot be had."""
    token = await keeper.add_tenant("told-klings", result_urls="ours")
    key = await keeper.make(token)
    [row] = await keeper.stored(key)
    await keeper.relay.rows(
        "UPDATE assets SET state = 'due', object_id = NULL WHERE id = $1", row["id"]
    )
    await keeper.relay.rows(
        "UPDATE assets SET next_attempt_at = now() + interval '1 h', attempts = 1 WHERE id = $1",
        row["id"],
    )
    urls, task = keeper.relay.parts.assets.urls, await keeper.relay.task(key)
    body = task["reply"].encode()

    async def shown(waited_s: float) -> bytes | None:
        return await urls.for_callback(
            body,
            task_id=task["id"],
            waited_s=waited_s,
            now_s=time.time(),
        )

    assert await shown(59) is None
    assert await shown(61) == body
    await keeper.relay.rows("UPDATE assets SET attempts = 3 WHERE id = $1", row["id"])
    assert await shown(0) == body


async def test_a_link_is_answered_in_part_and_with_what_a_player_asks(keeper: Keeper) -> None:
    """Ranges as RFC 9110 has them, HEAD, and what was not changed."""
    token = await keeper.add_tenant("reads", result_urls="ours")
    key = await keeper.make(token)
    await keeper.stored(key)
    link = url_in((await keeper.relay.get(token, key)).json()["data"])

    async def ask(method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await keeper.relay.client.request(method, link, headers=named)

    size = len(VIDEO)
    whole = await ask()
    tag = whole.headers["etag"]
    assert {name: whole.headers[name] for name in ("content-type", "accept-ranges")} == {
        "content-type": "video/mp4",
        "accept-ranges": "bytes",
    }
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-security-policy"] == "sandbox"
    assert whole.headers["content-disposition"].startswith('inline; filename="')
    head = await ask("HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
    for asked, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=4-7", 4, 7),
        (f"bytes={size - 3}-", size - 3, size - 1),
        ("bytes=-5", size - 5, size - 1),
        (f"bytes=10-{size * 9}", 10, size - 1),
    ):
        part = await ask(range=asked)
        assert (part.status_code, part.content) == (206, VIDEO[first : last + 1]), asked
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.headers["content-length"] == str(last - first + 1)
    beyond = await ask(range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert (await ask(range="bytes=1-2", if_range=tag)).status_code == 206
    assert (await ask(range="bytes=1-2", if_range='"other"')).status_code == 200
    assert (await ask(if_none_match=tag)).status_code == 304
    assert (await ask("POST")).status_code == 405


async def test_a_link_leads_to_nothing_else(keeper: Keeper) -> None:
    """Changed, over, elsewhere, of what is deleted or whose tenant is shut out: it is not there."""
    token = await keeper.add_tenant("guards", result_urls="ours")
    key = await keeper.make(token)
    [row] = await keeper.stored(key)
    link = url_in((await keeper.relay.get(token, key)).json()["data"])
    other = await keeper.make(token)
    [others] = await keeper.stored(other)
    links = keeper.relay.parts.assets.links

    async def status(url: str) -> int:
        return (await keeper.relay.client.get(url)).status_code

    old = links.url(row["public_id"], "video/mp4", now_s=time.time() - 8 * 86400)
    assert old is not None
    mac = link.rpartition(".")[2]
    for wrong in (
        old,
        link.replace(str(row["public_id"]), str(others["public_id"])),
        link.replace("until=1", "until=2"),
        link.replace(mac, "0" * len(mac)),
        link.replace("&mac=k1.", "&mac=k2."),
        link.partition("&mac")[0],
        link.partition("?")[0],
        link.replace("until=", "until=x"),
        link.replace("http://files.test", "http://relay.test"),
    ):
        assert await status(wrong) == 404, wrong
    assert await status(link) == 200

    await keeper.relay.rows("UPDATE tenants SET enabled = false WHERE name = 'guards'")
    assert await status(link) == 404
    await keeper.relay.rows("UPDATE tenants SET enabled = true WHERE name = 'guards'")
    path = f"{row['tenant_id']}/{row['sha256'][:2]}/{row['sha256']}.{row['object_id']}"
    (keeper.folder / path).rename(keeper.folder / "aside")
    assert await status(link) == 404
    (keeper.folder / "aside").rename(keeper.folder / path)
    await keeper.relay.rows(
        "UPDATE assets SET state = 'deleted', object_id = NULL, ended_at = now() WHERE id = $1",
        row["id"],
    )
    assert await status(link) == 404
    shown = url_in((await keeper.relay.get(token, key)).json()["data"])
    assert shown == row["source_url"], "as Kling has it"


async def test_many_read_at_once(keeper: Keeper) -> None:
    """Each has all of it, from one store."""
    token = await keeper.add_tenant("many", result_urls="ours")
    key = await keeper.make(token)
    await keeper.stored(key)
    link = url_in((await keeper.relay.get(token, key)).json()["data"])

    answers = await asyncio.gather(*(keeper.relay.client.get(link) for _ in range(8)))

    assert {answer.content for answer in answers} == {VIDEO}


def test_a_link_stays_the_same_for_hours() -> None:
    """And is good for as many days as the settings say, under any of the keys."""
    old, new = new_secret_key("k1"), new_secret_key("k2")
    public_id = uuid4()
    links = AssetLinks(KeyRing.parse(old), f"{FILES_URL}/eu/", days=2)
    made = links.url(public_id, "image/png", now_s=1_000_000_000)
    assert made is not None
    assert made == links.url(public_id, "image/png", now_s=1_000_000_000 + 3600)
    assert made.startswith(f"{FILES_URL}/eu/assets/{public_id}.png?until=")
    parts = urlsplit(made)

    read = AssetLinks(KeyRing.parse(f"{new},{old}"), FILES_URL, days=7).read(
        parts.path.encode(), parts.query.encode()
    )

    assert read is not None
    assert 2 * 86400 <= read.until - 1_000_000_000 <= 2 * 86400 + 6 * 3600
    gone = AssetLinks(KeyRing.parse(new), FILES_URL, days=7)
    assert gone.read(parts.path.encode(), parts.query.encode()) is None
    assert AssetLinks(KeyRing.parse(new), None, days=7).url(public_id, "a/b", now_s=0) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *((None, None), ("items=0-1", None), ("bytes=-", None), ("bytes=2-1", None)),
        *(("bytes=0-1,3-4", None), ("bytes=" + "9" * 30 + "-", None), ("bytes=x-y", None)),
        *(("bytes=0-", (0, 9)), ("bytes=9-9", (9, 9)), ("bytes=-3", (7, 9)), ("bytes=-30", (0, 9))),
    ],
)
def test_what_is_no_range_asks_for_the_whole(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    """Of ten bytes."""
    assert read_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-11", "bytes=-0"])
def test_bytes_that_are_not_there_are_told(header: str) -> None:
    """Not given as nothing."""
    with pytest.raises(Unsatisfiable):
        read_range(header, 10)
