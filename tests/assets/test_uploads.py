"""What tenants send is kept once, told by its content, and named in creates by its id."""

import asyncio
import base64
import io
import os
import resource
import time
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from relay.assets.given import BASE64_IN_ALL_MAX, GivenAssets
from relay.assets.links import AssetLinks, by_their_ids
from relay.assets.reserve import OverLimit
from relay.assets.uploader import MB, Uploader
from relay.body_budget import BodyBudget, Share
from relay.errors import InvalidParameter
from relay.kling.body import join_fields, read_fields
from relay.tenants.tokens import IssuedToken
from tests.assets.kling_files import FILES_URL, PICTURE, VIDEO, Keeper
from tests.relay_app import CLIP, CLIP_MICROS, bearer
from tests.waiting import PATIENCE_S, settle_for, wait_until

UPLOADS = "/api/assets"
IMAGE2VIDEO = "/kling/v1/videos/image2video"
OMNI = "/kling/v1/videos/omni-video"


async def send(keeper: Keeper, token: IssuedToken, content: Any, **head: str) -> httpx.Response:
    headers = bearer(token) | {name.replace("_", "-"): value for name, value in head.items()}
    return await keeper.relay.client.post(UPLOADS, content=content, headers=headers)


async def ask(keeper: Keeper, token: IssuedToken, path: str, method: str = "GET") -> httpx.Response:
    return await keeper.relay.client.request(method, UPLOADS + path, headers=bearer(token))


def creates_of(keeper: Keeper) -> list[str]:
    """The bodies of creates that Kling was sent, the oldest first."""
    assert keeper.relay.sandbox is not None
    asked = keeper.relay.sandbox.requests.entries
    return [str(one["body"]) for one in asked if one["method"] == "POST"]


def without_address(keeper: Keeper, budget: BodyBudget | None = None) -> GivenAssets:
    """Of a relay that Kling cannot reach."""
    parts, links = keeper.relay.parts, AssetLinks(keeper.relay.keys, None, days=7)
    return GivenAssets(parts.store.pool, parts.assets.store, links, budget or parts.budget)


async def test_what_is_sent_is_kept_once(keeper: Keeper) -> None:
    """As a body or in a form: one upload, whose bytes count once, served as nothing that runs."""
    token = await keeper.add_tenant("sends", keep_results_days=None, asset_bytes_max=10 * MB)
    other = await keeper.add_tenant("looks-on")

    first = (await send(keeper, token, PICTURE, content_type="text/html")).json()["data"]
    form = await keeper.relay.client.post(
        UPLOADS,
        headers=bearer(token),
        data={"note": "x"},
        files={"file": ("a.svg", PICTURE, "image/svg+xml")},
    )
    copies = await asyncio.gather(*(send(keeper, token, VIDEO) for _ in range(4)))

    assert (first["source"], first["state"], first["content_type"]) == (
        *("upload", "stored", "image/png"),
    )
    assert form.json()["data"]["asset_id"] == first["asset_id"]
    [video] = {copy.json()["data"]["asset_id"] for copy in copies}
    listed = (await ask(keeper, token, "")).json()["data"]
    assert [one["asset_id"] for one in listed["assets"]] == [video, first["asset_id"]]
    assert listed["bytes"] == len(PICTURE) + len(VIDEO)
    assert 6 < (first["kept_until"] - time.time() * 1000) / 86_400_000 < 8
    read = await keeper.relay.client.get(first["url"])
    assert (read.content, read.headers["content-type"]) == (PICTURE, "image/png")
    assert first["url"].startswith(FILES_URL)
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["content-security-policy"] == "sandbox"

    assert (await ask(keeper, other, f"/{video}")).json()["message"] == "Asset not found"
    assert (await ask(keeper, other, f"/{video}", "DELETE")).status_code == 400
    assert (await ask(keeper, token, f"/{video}", "DELETE")).json()["data"]["state"] == "deleted"
    assert (await ask(keeper, token, f"/{video}", "PUT")).status_code == 404
    anew = (await send(keeper, token, VIDEO)).json()["data"]
    assert anew["asset_id"] != video


def zipped(before: bytes = b"") -> bytes:
    content = io.BytesIO(before)
    content.seek(0, io.SEEK_END)
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.html", "<script>alert(1)</script>")
    return content.getvalue()


async def long(head: bytes, size: int) -> AsyncIterator[bytes]:
    yield head
    for _ in range(size // 65536):
        yield b"\0" * 65536


async def test_what_is_no_picture_video_or_sound_is_not_kept(keeper: Keeper) -> None:
    """Whatever it is said to be."""
    token = await keeper.add_tenant("sends-anything")
    for content in (
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><img src=x>",
        b"GIF89a" + b"\0" * 100,
        zipped(),
        b"%PDF-1.7" + b"\0" * 100,
        b"MZ" + PICTURE,
        b" " + PICTURE,
    ):
        refused = await send(keeper, token, content, content_type="image/png")

        body = refused.json()
        assert (refused.status_code, body["code"]) == (400, 1201), content[:9]
        assert "jpeg or png picture" in body["message"]
        assert "data" not in body
    assert (await ask(keeper, token, "")).json()["data"]["assets"] == []


async def test_what_is_two_things_at_once_is_the_one_that_a_browser_may_have(
    keeper: Keeper,
) -> None:
    """A picture with an archive or a page behind it is served as a picture, never looked into."""
    token = await keeper.add_tenant("polyglots")
    for content in (zipped(PICTURE), PICTURE + b"<script>alert(1)</script>"):
        kept = (await send(keeper, token, content)).json()["data"]
        read = await keeper.relay.client.get(kept["url"])
        assert read.headers["content-type"] == "image/png"
        assert read.headers["content-disposition"].endswith('.png"')
        assert read.headers["x-content-type-options"] == "nosniff"


async def test_no_more_is_taken_than_may_be(keeper: Keeper) -> None:
    """By kind and by tenant; none of it is kept, nor read to its end."""
    small = await keeper.add_tenant("small", asset_bytes_max=len(PICTURE) + 5)
    nobody = await keeper.add_tenant("keeps-none", keep_results_days=None)
    large = await keeper.add_tenant("large")

    async def code(token: IssuedToken, content: Any) -> tuple[int, int]:
        answer = await send(keeper, token, content)
        return answer.status_code, answer.json()["code"]

    assert await code(nobody, PICTURE) == (403, 1103)
    assert await code(small, PICTURE) == (200, 0)
    assert await code(small, VIDEO) == (403, 1103)
    assert await code(small, PICTURE) == (200, 0), "it is there already"
    tight = Uploader(
        *(keeper.relay.parts.store.pool, keeper.relay.parts.assets.store),
        days=7,
        bytes_max=len(PICTURE) + 5,
        counts=keeper.relay.parts.counts,
    )
    whose = await keeper.relay.row("SELECT id FROM tenants WHERE name = 'large'")

    async def once(content: bytes) -> AsyncIterator[bytes]:
        yield content

    await tight.take(whose["id"], once(PICTURE), size=None)
    with pytest.raises(OverLimit):
        await tight.take(whose["id"], once(VIDEO), size=None)
    [asset] = (await ask(keeper, large, "")).json()["data"]["assets"]
    await ask(keeper, large, f"/{asset['asset_id']}", "DELETE")
    with pytest.raises(OverLimit):  # it takes an hour to leave the store
        await tight.take(whose["id"], once(VIDEO), size=None)
    assert await code(large, long(b"ID3\x03", 21 * MB)) == (400, 1201)
    declared = await keeper.relay.client.post(
        UPLOADS, content=PICTURE, headers=bearer(large) | {"content-length": str(201 * MB)}
    )
    assert declared.status_code == 400
    forms: list[dict[str, Any]] = [
        {"files": [("file", ("a", PICTURE)), ("file", ("b", PICTURE))]},
        {"files": {"x": (None, "no file")}},
        {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data"}},
        {
            "content": b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + PICTURE,
            "headers": {"content-type": "multipart/form-data; boundary=x"},
        },
    ]
    for form in forms:
        given = form | {"headers": bearer(large) | form.get("headers", {})}
        assert (await keeper.relay.client.post(UPLOADS, **given)).status_code == 400
    listed = (await ask(keeper, large, "")).json()["data"]["assets"]
    assert [one["state"] for one in listed] == ["deleted"]


async def test_a_disk_that_is_full_is_told_and_nothing_is_kept(keeper: Keeper) -> None:
    """Where it is written down, and where it is put: 503, and what comes later is kept."""
    token = await keeper.add_tenant("on-a-full-disk")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (3 * MB, 100_000):  # written as it comes; and only as it is put
        content = PICTURE + os.urandom(size)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        try:
            refused = await send(keeper, token, content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (refused.status_code, refused.json()["code"]) == (503, 5001)
        assert (await ask(keeper, token, "")).json()["data"]["bytes"] == 0
        assert (await send(keeper, token, content)).status_code == 200
        sent = (await ask(keeper, token, "")).json()["data"]["assets"]
        await ask(keeper, token, f"/{sent[0]['asset_id']}", "DELETE")
        await keeper.relay.rows(
            "UPDATE asset_objects o SET doomed_at = now(), unused_after = now() FROM tenants n"
            " WHERE n.id = o.tenant_id AND n.name = 'on-a-full-disk'"
        )


async def test_a_tenant_sends_four_at_once(keeper: Keeper) -> None:
    """A fifth one is to come again; those that are under way are none the worse."""
    token = await keeper.add_tenant("at-once")
    goes_on, begun = asyncio.Event(), 0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal begun
        yield PICTURE[:9]
        begun += 1
        await goes_on.wait()
        yield PICTURE[9:]

    under_way = [asyncio.create_task(send(keeper, token, slow())) for _ in range(4)]
    await wait_until(lambda: begun == 4)
    busy = await send(keeper, token, PICTURE)

    assert (busy.status_code, busy.json()["code"]) == (429, 1302)
    assert busy.headers["retry-after"] == "5"
    goes_on.set()
    assert {answer.status_code for answer in await asyncio.gather(*under_way)} == {200}


async def test_a_create_names_a_file_that_is_kept(keeper: Keeper) -> None:
    """Kling has a link of ours, the tenant its own words back; the price is as ever."""
    token = await keeper.add_tenant("names")
    picture = (await send(keeper, token, PICTURE)).json()["data"]
    name = f"asset://{picture['asset_id']}"
    body = {"model_name": "kling-v3", "mode": "std", "duration": "5", "image": name, "prompt": name}

    made = await keeper.relay.submit(token, body, path=IMAGE2VIDEO)

    assert made.json()["code"] == 0, made.text
    fields = msgspec.json.decode(creates_of(keeper)[-1])
    link = fields["image"]
    assert link.startswith(f"{FILES_URL}/assets/{picture['asset_id']}.png?until=")
    assert fields["prompt"] == name, "no field that takes a URL"
    assert (await keeper.relay.client.get(link)).content == PICTURE
    assert (await keeper.relay.account("names"))[1] == CLIP_MICROS
    said = b'{"data":{"task_info":{"parent_video":{"url":"%b"}},"m":"no \\"%b\\"."}}'
    told = by_their_ids(said % (link.encode(), link.replace("/", "\\/").encode()))
    assert told == said % (name.encode(), name.encode())
    escaped = link.replace("=", "\\u003d").replace("&", "\\u0026")
    assert by_their_ids(b'["%b"]' % escaped.encode()) == b'["%b"]' % name.encode()
    # Of many beginnings each is looked behind for 300 characters, and not to the end of the text.
    begun = 20_000
    told = by_their_ids(b'["%b%b"]' % (b"http://" * begun, link.encode()))
    assert told.endswith(b'asset://%b"]' % picture["asset_id"].encode())
    assert begun - 300 // len("http://") - 1 < told.count(b"http://") < begun
    assert (await keeper.relay.audit()).ok


async def test_a_create_names_nothing_that_is_anothers_or_over(keeper: Keeper) -> None:
    """Refused as Kling would, by the field, before anything is held or sent."""
    token, other = await keeper.add_tenant("owns"), await keeper.add_tenant("borrows")
    theirs = (await send(keeper, token, PICTURE)).json()["data"]["asset_id"]
    ended = (await send(keeper, other, PICTURE)).json()["data"]["asset_id"]
    await ask(keeper, other, f"/{ended}", "DELETE")
    before = creates_of(keeper)

    for name in (theirs, ended, str(uuid4()), "x", f"{theirs}.mp4"):
        body = CLIP | {"image": f"asset://{name}"}
        refused = await keeper.relay.submit(other, body, path=IMAGE2VIDEO)
        assert (refused.status_code, refused.json()["code"]) == (400, 1201), name
        assert refused.json()["message"].startswith("image: "), refused.text
        listed = CLIP | {"image_list": [{"image_url": f"asset://{name}"}]}
        assert (await keeper.relay.submit(other, listed, path=OMNI)).status_code == 400
        called = await keeper.relay.submit(
            other, {"video_url": f"asset://{name}"}, path="/kling/v1/videos/identify-face"
        )
        assert called.status_code == 400

    assert creates_of(keeper) == before
    assert await keeper.relay.account("borrows") == (10_000_000, 0)
    assert not await keeper.relay.rows(
        "SELECT FROM tasks t JOIN tenants n ON n.id = t.tenant_id WHERE n.name = 'borrows'"
    )


async def test_what_waits_has_a_link_that_is_made_when_it_is_sent(keeper: Keeper) -> None:
    """Or base64, where Kling could not reach us; a file stays for two days once it is named."""
    token = await keeper.add_tenant("waits")
    picture = (await send(keeper, token, PICTURE)).json()["data"]["asset_id"]
    video = (await send(keeper, token, VIDEO)).json()["data"]["asset_id"]
    parts = keeper.relay.parts
    row = await keeper.relay.row("SELECT * FROM assets WHERE public_id = $1", picture)
    await keeper.relay.rows(
        "UPDATE assets SET kept_until = now() + interval '1 minute' WHERE id = $1", row["id"]
    )
    body = msgspec.json.encode({"image": f"asset://{picture}"})
    films = msgspec.json.encode({"video_list": [{"video_url": f"asset://{video}"}]})

    async def through(given: GivenAssets, endpoint: str, body: bytes) -> Any:
        checked = await given.check(row["tenant_id"], endpoint, read_fields(body))
        kept = msgspec.json.encode(checked)  # as it waits
        whose = dict.fromkeys(("tenant_id", "account_id"), row["tenant_id"])
        async with given.put(endpoint, read_fields(kept), **whose) as put:
            joined = join_fields(put)
        return kept, msgspec.json.decode(joined if isinstance(joined, bytes) else b"".join(joined))

    kept, sent = await through(parts.assets.given, "image2video", body)
    assert kept == b'{"image":"asset://%b.png"}' % picture.encode()
    assert "for=kling" in sent["image"]
    left = await keeper.relay.row(
        "SELECT kept_until > now() + interval '47 h' AS is_long FROM assets WHERE id = $1",
        row["id"],
    )
    assert left["is_long"]

    unreachable = without_address(keeper)
    _, sent = await through(unreachable, "image2video", body)
    assert base64.b64decode(sent["image"]) == PICTURE
    with pytest.raises(InvalidParameter, match="video_url: cannot be sent by its id"):
        await through(unreachable, "omni-video", films)
    many = {"image_list": [{"image_url": f"asset://{uuid4()}"} for _ in range(51)]}
    with pytest.raises(InvalidParameter, match="more than 50"):
        await through(parts.assets.given, "omni-video", msgspec.json.encode(many))


async def test_what_goes_as_base64_has_its_place_in_memory(keeper: Keeper) -> None:
    """Of 800 KB an account has half: of three creates of 200 KB each one waits, another's does not.

    What such a create's own body holds grows, though another one holds all the rest.
    """
    token = await keeper.add_tenant("large-pictures")
    picture = PICTURE + b"\0" * 150_000
    name = f"asset://{(await send(keeper, token, picture)).json()['data']['asset_id']}"
    row = await keeper.relay.row("SELECT tenant_id FROM assets WHERE public_id = $1", name[8:])
    budget = BodyBudget(810_000)
    given = without_address(keeper, budget)
    fields = read_fields(msgspec.json.encode({"image": name}))
    here, goes_on = 0, asyncio.Event()

    async def send_one(account_id: int, beside: Share | None = None) -> None:
        nonlocal here
        whose = {"tenant_id": row["tenant_id"], "account_id": account_id}
        async with given.put("image2video", fields, **whose, beside=beside):
            here += 1
            await goes_on.wait()

    first = [asyncio.create_task(send_one(1)) for _ in range(3)]
    await wait_until(lambda: here == 2)
    other = budget.open(2, 400_000)
    await other.grow(400_000)
    other.end()
    last = asyncio.create_task(send_one(2, other))
    await settle_for(0.05, because="what waits in memory is seen by nobody")
    assert here == 2
    goes_on.set()
    await asyncio.gather(*first, last)
    assert here == 4
    assert other.taken == 400_000
    other.release()
    await asyncio.wait_for(budget.open(3, 405_000).grow(405_000), PATIENCE_S)


async def test_a_file_that_is_named_often_is_as_many(keeper: Keeper) -> None:
    """A small body would else be gigabytes of base64, or seconds of the loop that all share."""
    token = await keeper.add_tenant("repeats")
    name = f"asset://{(await send(keeper, token, PICTURE)).json()['data']['asset_id']}"
    row = await keeper.relay.row("SELECT * FROM assets WHERE public_id = $1", name[8:])
    parts, large = keeper.relay.parts, BASE64_IN_ALL_MAX // 5
    await keeper.relay.rows("UPDATE assets SET bytes = $2 WHERE id = $1", row["id"], large)
    unreachable = without_address(keeper)

    async def check(given: GivenAssets, times: int) -> Any:
        body = msgspec.json.encode({"image_list": [{"image_url": name}] * times})
        return await given.check(row["tenant_id"], "omni-video", read_fields(body))

    assert b".png" in bytes((await check(unreachable, 5))["image_list"])
    with pytest.raises(InvalidParameter, match="image_url: cannot be sent by its id"):
        await check(unreachable, 6)
    assert b".png" in bytes((await check(parts.assets.given, 50))["image_list"])
    with pytest.raises(InvalidParameter, match="more than 50 times"):
        await check(parts.assets.given, 51)
    await keeper.relay.rows("UPDATE assets SET bytes = $2 WHERE id = $1", row["id"], len(PICTURE))
