"""Files that come in a create as base64: decoded a piece at a time, and kept with what is made."""

import asyncio
import base64
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.errors import InvalidParameter
from relay.runs.begin import BODY_BYTES_MAX
from relay.studio.capabilities.capability import Media
from relay.studio.media import PIECE_CHARS, _decoded
from relay.tenants.tokens import IssuedToken
from tests.assets.kling_files import FILES_URL, PICTURE, Keeper, open_keeper
from tests.clones import cloned
from tests.relay_app import bearer
from tests.studio.asking import ended, make
from tests.studio.v1 import post
from tests.waiting import PATIENCE_S

IMAGE = Media("image")


@pytest.fixture(scope="module")
async def keeper(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Keeper]:
    """One that has memory for a megabyte of bodies, of which half may be one tenant's."""
    folder = tmp_path_factory.mktemp("assets")
    async with (
        cloned(postgres_server, template) as url,
        open_keeper(url, folder, asset_url=FILES_URL, studio=True, body_budget_mb=1) as opened,
    ):
        yield opened


def pictured(number: int, size: int = 0) -> tuple[bytes, str]:
    """Make a picture that nobody else has, and its base64."""
    content = PICTURE + b"%d" % number + b"\0" * size
    return content, base64.b64encode(content).decode()


async def states(keeper: Keeper, content: bytes) -> list[str]:
    rows = await keeper.relay.rows(
        "SELECT state FROM assets WHERE sha256 = $1 ORDER BY id", sha256(content).hexdigest()
    )
    return [row["state"] for row in rows]


async def test_a_file_of_a_create_that_is_refused_is_kept_no_more(keeper: Keeper) -> None:
    """Whatever refuses it: its other fields, the quota, its key. Of one that is made it stays."""
    relay = keeper.relay
    token = await keeper.add_tenant("refused")
    poor = await keeper.add_tenant("poor")
    await relay.rows(
        "UPDATE accounts SET quota_micros = 1 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = 'poor')"
    )
    made, spelt = pictured(0)
    key = {"Idempotency-Key": "one"}
    answer = await make(relay, token, "image-to-video", {"image": spelt, "prompt": "x"}, **key)
    assert answer.status_code == 200, answer.text

    async def refused(who: IssuedToken, path: str, body: Any, status: int, **head: str) -> None:
        content, spelt = pictured(len(refusals))
        refusals.append(content)
        given: dict[str, Any] = {
            name: spelt if value is IMAGE else [spelt, "no base64!"] if value == [IMAGE] else value
            for name, value in body.items()
        }
        told = await make(relay, who, path, given, **head)
        assert told.status_code == status, (path, told.text)
        assert await states(keeper, content) == ["deleted"], path

    refusals: list[bytes] = [b"the one that is made"]
    await refused(token, "avatar", {"image": IMAGE, "text": "hello"}, 400)
    await refused(token, "image-to-video", {"image": IMAGE, "duration": 99}, 400)
    await refused(token, "image-to-video", {"image": IMAGE, "prompt": "y"}, 400, **key)
    await refused(token, "multi-image-to-video", {"images": [IMAGE], "prompt": "x"}, 400)
    await refused(poor, "image-to-video", {"image": IMAGE, "prompt": "x"}, 429)
    await refused(
        *(token, "koubo/product-showcase", {"image": IMAGE, "prompt": "x", "cap": "0.01"}, 403)
    )

    seen = await ended(relay, token, answer.json()["task_id"])
    assert seen["status"] == "completed"
    assert await states(keeper, made) == ["stored"]
    # What was kept before stays, though a create that brings it along is refused.
    await make(relay, token, "avatar", {"image": spelt, "text": "hello"})
    assert await states(keeper, made) == ["stored"]


async def test_a_file_that_is_not_there_is_told_by_the_requests_own_field(keeper: Keeper) -> None:
    """Before a step of a chain begins: nothing is written, and no speech is made and paid for.

    Who sends a create again under its key hears of the same task, though its file went meanwhile.
    """
    relay = keeper.relay
    token, other = await keeper.add_tenant("names"), await keeper.add_tenant("has")
    await relay.rows(
        "UPDATE accounts SET quota_micros = 100000000 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = 'names')"
    )
    own, others = [
        (await relay.client.post("/api/assets", headers=bearer(who), content=content)).json()[
            "data"
        ]["asset_id"]
        for who, content in ((token, pictured(70)[0]), (other, pictured(71)[0]))
    ]
    talk = {"text": "hello", "voice_id": "genshin_vindi2"}
    key = {"Idempotency-Key": "talk"}
    first = await make(relay, token, "avatar", {"image": own} | talk, **key)
    assert first.status_code == 200, first.text
    await ended(relay, token, first.json()["task_id"])
    gone = await relay.client.delete(f"/api/assets/{own}", headers=bearer(token))
    assert gone.status_code == 200
    runs = await relay.rows("SELECT id FROM runs")

    for missing in (own, others):
        named = f"names no file that is kept: asset://{missing}"
        for path, body, field in (
            ("avatar", {"image": missing} | talk, "image"),
            ("face-swap", {"image": FILES_URL, "face_image": missing}, "face_image"),
            ("multi-image-to-video", {"images": [FILES_URL, missing], "prompt": "x"}, "images"),
            ("motion-control", {"image": missing, "video_url": FILES_URL}, "image"),
            ("koubo/digital-human", {"image": missing} | talk, "image"),
            ("variants", {"capability": "avatar", "input": {"image": missing} | talk}, "image"),
        ):
            answer = await make(relay, token, path, body)
            assert answer.status_code == 400, (path, answer.text)
            assert answer.json()["error_message"] == f"{field}: {named}", path
        item = {"task_type": "avatar", "image": missing} | talk
        batch = (await make(relay, token, "batch", {"items": [item]})).json()
        assert batch["items"][0]["error_message"] == f"image: {named}"
    again = await make(relay, token, "avatar", {"image": own} | talk, **key)

    assert again.json()["task_id"] == first.json()["task_id"]
    assert await relay.rows("SELECT id FROM runs") == runs


async def test_all_links_of_a_result_are_ours_where_its_tenant_wants_that(keeper: Keeper) -> None:
    """What Kling says of a result has no link of Kling's beside ours."""
    relay = keeper.relay
    token = await keeper.add_tenant("ours", result_urls="ours")
    answer = await make(relay, token, "text-to-video", {"prompt": "a fox"})
    assert answer.status_code == 200, answer.text

    seen = await ended(relay, token, answer.json()["task_id"])

    assert seen["output_url"].startswith(FILES_URL)
    assert seen["result_metadata"]["results"][0]["url"] == seen["output_url"]
    assert seen["result_metadata"]["urls"] == [seen["output_url"]]


async def test_what_somebody_else_sent_meanwhile_is_not_taken_back(keeper: Keeper) -> None:
    """Two creates of one file, of which the first is refused after the second found it kept."""
    uploader = keeper.relay.parts.assets.uploader
    await keeper.add_tenant("twice")
    whose = (await keeper.relay.row("SELECT id FROM tenants WHERE name = 'twice'"))["id"]
    content, spelt = pictured(100)

    first = await uploader.take(whose, _decoded(IMAGE, spelt, 0), size=None)
    second = await uploader.take(whose, _decoded(IMAGE, spelt, 0), size=None)
    await uploader.take_back(whose, [first.public_id])
    after = await states(keeper, content)
    third = await uploader.take(whose, _decoded(IMAGE, pictured(101)[1], 0), size=None)
    await uploader.take_back(whose, [third.public_id])

    assert (first.is_new, second.is_new) == (True, False)
    assert first.public_id == second.public_id
    assert after == ["stored"]
    assert await states(keeper, pictured(101)[0]) == ["deleted"]


async def test_base64_is_decoded_a_piece_at_a_time() -> None:
    """In lines or in one, whatever the length; what is none is told as such wherever it breaks."""
    content = bytes(range(256)) * 5000
    lines, one = base64.encodebytes(content).decode(), base64.b64encode(content).decode()

    for text, start in ((lines, 0), (one, 0), ("data:image/png;base64," + one, 22)):
        pieces = [piece async for piece in _decoded(IMAGE, text, start)]
        assert b"".join(pieces) == content
        assert max(map(len, pieces)) <= PIECE_CHARS
        assert len(pieces) > 5
    wrong = (one[:-1], one + one, one[:PIECE_CHARS] + "!" + one[PIECE_CHARS:], one + "A", "hé")
    for text in wrong:
        with pytest.raises(InvalidParameter, match="image: must be a URL, the id of an asset"):
            [piece async for piece in _decoded(IMAGE, text, 0)]


async def test_a_tenant_that_keeps_nothing_is_told_how_much_base64_it_may_send(
    keeper: Keeper,
) -> None:
    """By the field's name, before anything is made of it."""
    token = await keeper.add_tenant("keeps-nothing", keep_results_days=None)
    large = base64.b64encode(b"\0" * BODY_BYTES_MAX).decode()

    told = await make(keeper.relay, token, "image-to-video", {"image": large, "prompt": "x"})
    video = await make(
        *(keeper.relay, token, "motion-control", {"image": "https://a/b", "video_url": "AAAA"})
    )

    assert told.status_code == 400
    assert told.json()["error_message"].startswith("image: must be a URL: nothing is kept")
    assert video.json()["error_message"].startswith("video_url: must be a URL or an asset")


async def test_a_large_body_is_in_the_budget_once(keeper: Keeper) -> None:
    """400 kB where a tenant may have 512 kB at once, with a prefix that is taken off or without."""
    token = await keeper.add_tenant("large-bodies")
    spelt = pictured(200, 300_000)[1]

    for image in (spelt, f"data:image/png;base64,{spelt}"):
        async with asyncio.timeout(PATIENCE_S):
            answer = await post(
                keeper.relay, token, "videos/create_image2video", {"image": image, "prompt": "x"}
            )
        assert answer.status_code == 200, answer.text
