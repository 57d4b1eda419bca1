"""Results of tenants who keep them are copied once, whole, from Kling's hosts alone."""

import asyncio
import hashlib

from relay.assets.copier import Copier
from relay.counts import Counts
from tests.assets.kling_files import OK, PICTURE, VIDEO, Keeper, told
from tests.relay_app import CLIP_MICROS
from tests.waiting import settle_for

IMAGES = "/kling/v1/images/generations"
TWO_PICTURES = {"model_name": "kling-v3", "prompt": "a heron", "n": 2}
HASH = hashlib.sha256(VIDEO).hexdigest()


async def test_what_a_task_made_is_kept(keeper: Keeper) -> None:
    """The file is in the store by its content, with its length, hash and kind; money is as ever."""
    token = await keeper.add_tenant("keeps")
    key = await keeper.make(token)

    [row] = await keeper.stored(key)

    assert (row["sha256"], row["bytes"], row["content_type"]) == (HASH, len(VIDEO), "video/mp4")
    assert (row["kept_until"] - row["stored_at"]).days == 30
    store = keeper.relay.parts.assets.store
    of = await keeper.relay.row("SELECT * FROM asset_objects WHERE id = $1", row["object_id"])
    path = f"{row['tenant_id']}/{HASH[:2]}/{HASH}.{of['id']}"
    assert (keeper.folder / path).read_bytes() == VIDEO
    assert b"".join([one async for one in store.read(path, first=2, last=9)]) == VIDEO[2:10]
    assert await keeper.relay.account("keeps") == (10_000_000 - CLIP_MICROS, 0)
    assert (await keeper.relay.audit()).ok


async def test_content_is_kept_once_for_a_tenant(keeper: Keeper) -> None:
    """Two pictures of one task and a second task's have one object; another tenant's is its own."""
    one, other = await keeper.add_tenant("twice"), await keeper.add_tenant("other")

    first = await keeper.stored(await keeper.make(one, TWO_PICTURES, path=IMAGES), 2)
    second = await keeper.stored(await keeper.make(one))
    third = await keeper.stored(await keeper.make(other))

    assert len({row["object_id"] for row in (*first, *second)}) == 1
    assert len({row["sha256"] for row in (*first, *third)}) == 1
    assert third[0]["object_id"] != second[0]["object_id"]


async def test_who_keeps_nothing_costs_nothing(keeper: Keeper) -> None:
    """Of a tenant that keeps no results no file is asked for, and none is noted."""
    token = await keeper.add_tenant("forgets", keep_results_days=None)
    asked = len(keeper.host.asked)

    key = await keeper.make(token)

    row = await keeper.relay.task(key)
    assert row["follows"] == []
    assert not await keeper.assets(key)
    assert len(keeper.host.asked) == asked


async def test_what_cannot_be_had_leaves_the_task_alone(keeper: Keeper) -> None:
    """Cut off, of another length, gone, no picture at all, elsewhere: it is tried again later."""
    token = await keeper.add_tenant("unlucky")
    key = await keeper.make(token)
    await keeper.stored(key)
    before = await keeper.relay.task(key)
    stored = keeper.objects()
    url = keeper.host.url
    keeper.host.answers |= {
        "/short": told(VIDEO, length=len(VIDEO) + 9),
        "/cut": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "/gone": b"HTTP/1.1 404 Not Found\r\n\r\n",
        "/page": told(b"<!doctype html><script>alert(1)</script>"),
        "/empty": told(b""),
        "/part": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nabc",
        "/here": b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n",
        "/there": told(PICTURE),
        "/round": b"HTTP/1.1 302 Found\r\nLocation: /round\r\n\r\n",
        "/home": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\n\r\n",
        "/cloud": b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/x\r\n\r\n",
    }
    expected = {
        f"{url}/short": "broke off",
        f"{url}/cut": "broke off",
        f"{url}/gone": "gone",
        f"{url}/page": "no picture",
        f"{url}/empty": "no picture",
        f"{url}/part": "HTTP 206",
        f"{url}/round": "too often",
        f"{url}/home": "not one of Kling's",
        f"{url}/cloud": "not one of Kling's",
        "http://127.0.0.1:1/a.mp4": "not one of Kling's",
        "https://evil.test/klingai.com/a.mp4": "not one of Kling's",
        "file:///etc/passwd": "not one of Kling's",
    }

    noted = {what: await keeper.note(key, what) for what in expected}
    led = await keeper.note(key, f"{url}/here")
    for what, public_id in noted.items():
        row = await keeper.settled(public_id)
        assert (row["state"], row["attempts"], row["object_id"]) == ("due", 1, None), what
        assert expected[what] in row["reason"], what
        assert str(url) not in row["reason"], what

    assert (await keeper.settled(led))["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert len(keeper.objects()) == len(stored) + 1
    assert await keeper.relay.task(key) == before
    assert (await keeper.relay.audit()).ok


async def test_a_file_that_is_too_large_is_not_tried_again(keeper: Keeper) -> None:
    """Neither is it read to its end, whatever it says of its length."""
    token = await keeper.add_tenant("large")
    key = await keeper.make(token)
    await keeper.stored(key)
    parts = keeper.relay.parts
    small = Copier(
        parts.store.pool,
        files=parts.assets.files,
        store=parts.assets.store,
        directory=parts.kling.directory,
        counts=Counts(),
        file_bytes_max=100_000,
    )
    for path in ("/endless", "/said"):
        keeper.host.answers["/said"] = OK + b"Content-Length: 99999999999\r\n\r\n"
        # Leased to this test's copier before the worker's can claim it.
        row = await keeper.relay.row(
            "INSERT INTO assets (tenant_id, task_id, source, source_url, lease, next_attempt_at,"
            " attempts) SELECT tenant_id, id, 'result', $2, gen_random_uuid(),"
            " now() + interval '1 hour', 0 FROM tasks WHERE kling_id = $1 RETURNING *",
            *(key, keeper.host.url + path),
        )
        await keeper.relay.rows(
            "UPDATE assets SET next_attempt_at = now() - interval '1 day' WHERE id = $1", row["id"]
        )
        for due in await small.claim_due(10):
            await small.copy(due)

        ended = await keeper.row(row["public_id"])
        if ended["state"] != "lost":  # the worker was first
            assert path == "/endless"
            continue
        assert "more than 100,000 bytes" in ended["reason"]


async def test_a_tenant_has_no_more_bytes_than_it_may(keeper: Keeper) -> None:
    """What is over waits; once it may have more, it is copied."""
    token = await keeper.add_tenant("bounded", asset_bytes_max=len(VIDEO) + 10)
    key = await keeper.make(token)
    await keeper.stored(key)
    keeper.host.answers["/more.png"] = told(PICTURE)

    more = await keeper.note(key, f"{keeper.host.url}/more.png")
    same = await keeper.note(key, f"{keeper.host.url}/same.mp4")

    assert (await keeper.settled(same))["state"] == "stored"
    assert "may keep" in (await keeper.settled(more))["reason"]
    keeper.host.held.clear()
    keeper.host.answers["/held.png"] = told(PICTURE)
    for path in ("/held.png", "/endless"):
        # Its host never comes to an end of it: it was judged by its length, and not waited for.
        waits = await keeper.note(key, keeper.host.url + path)
        assert "may keep" in (await keeper.settled(waits))["reason"]
        await keeper.relay.rows("DELETE FROM assets WHERE public_id = $1", waits)
    keeper.host.held.set()
    await keeper.relay.rows("UPDATE tenants SET asset_bytes_max = NULL WHERE name = 'bounded'")
    await keeper.relay.rows(
        "UPDATE assets SET next_attempt_at = now() WHERE public_id = $1 AND lease IS NULL", more
    )
    await keeper.stored(key, 3)


async def test_two_workers_copy_a_file_once(keeper: Keeper) -> None:
    """Of ten claims at once one has it; a worker whose lease is over changes nothing."""
    token = await keeper.add_tenant("together")
    key = await keeper.make(token)
    await keeper.stored(key)
    parts = keeper.relay.parts

    def another() -> Copier:
        return Copier(
            parts.store.pool,
            files=parts.assets.files,
            store=parts.assets.store,
            directory=parts.kling.directory,
            counts=Counts(),
        )

    keeper.host.held.clear()
    await keeper.note(key, f"{keeper.host.url}/held.mp4")
    await settle_for(0.01, because="the worker's own sweep may be among those that claim")
    claimed = [
        due
        for dues in await asyncio.gather(*(another().claim_due(5) for _ in range(10)))
        for due in dues
    ]
    copies = [asyncio.create_task(another().copy(due)) for due in claimed]
    await keeper.relay.rows(
        "UPDATE assets SET next_attempt_at = now() WHERE lease IS NOT NULL AND task_id ="
        " (SELECT id FROM tasks WHERE kling_id = $1)",
        key,
    )  # as if the first one had slept past its lease
    keeper.host.held.set()
    await asyncio.gather(*copies)

    rows = await keeper.stored(key, 2)
    assert len({row["object_id"] for row in rows}) == 1
    assert sum("held" in path for path in keeper.host.asked) <= 2
