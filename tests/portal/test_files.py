"""Files in the portal: sent by a form as they come, named in what is tried, and ended."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.assets.uploader import MB
from relay.tenants.scope import Scope
from tests.assets.kling_files import FILES_URL, PICTURE
from tests.portal.visiting import OURS, Visit, visiting
from tests.relay_app import Relay, fixture_relay


@pytest.fixture
async def relay(database_url: str, tmp_path: Path) -> AsyncIterator[Relay]:
    async with fixture_relay(
        database_url, portal=True, asset_store=str(tmp_path), asset_url=FILES_URL
    ) as opened:
        await opened.add_channel()
        for name in ("acme", "bluefox"):
            await opened.add_tenant(name)
        yield opened


async def send(ann: Visit, content: bytes, *, csrf: str | None = None, **more: Any) -> str:
    """Send a file as the page's form does, and say where that leads."""
    parts: Any = [
        ("csrf", (None, ann.csrf if csrf is None else csrf)),
        ("file", ("a.png", content, "image/png")),
    ]
    if more.get("is_late"):
        parts.reverse()
    answer = await ann.client.post("/portal/files/send", files=parts, headers=OURS)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/portal/files")


async def kept(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT public_id::text AS id, state FROM assets ORDER BY id")


async def test_a_file_is_sent_tried_and_deleted(relay: Relay) -> None:
    """Without the form's word, or with it behind the file, none of it is kept."""
    async with visiting(relay) as ann, visiting(relay, "bluefox") as other:
        page = await ann.read("/files")
        assert "No files are kept for you" in page
        assert 'type="file"' not in page
        assert await send(ann, PICTURE) == "?wrong=off"
        assert "no files are taken from you" in await ann.read("/files?wrong=off")
        await relay.rows("UPDATE tenants SET asset_bytes_max = $1", 10 * MB)
        assert 'type="file"' in await ann.read("/files")

        assert await send(ann, PICTURE, csrf="x" * 43) == "?wrong=stale"
        assert await send(ann, PICTURE, csrf=other.csrf) == "?wrong=stale"
        assert await send(ann, PICTURE, is_late=True) == "?wrong=stale"
        assert await send(ann, b"<svg/>") == "?wrong=kind"
        plain = await ann.client.post("/portal/files/send", content=PICTURE, headers=OURS)
        assert plain.headers["location"].endswith("?wrong=stale")
        foreign = await ann.client.post(
            "/portal/files/send",
            files=[("csrf", (None, ann.csrf)), ("file", ("a", PICTURE))],
            headers={"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        )
        assert foreign.status_code == 403
        assert await kept(relay) == []

        assert await send(ann, PICTURE) == "?said=added"
        [row] = await kept(relay)
        name = f"asset://{row['id']}"
        page = await ann.read("/files")
        assert name in page
        assert f"{FILES_URL}/assets/{row['id']}.png" in page
        assert name not in await other.read("/files")
        table = await ann.get("/files/list/csv")
        assert f'"{row["id"]}","stored","upload","image/png",{len(PICTURE)},' in table.text

        form = await ann.read("/try/image2video")
        assert f'<option value="{name}">image/png' in form
        assert 'list="own-picture"' in form
        assert name not in await other.read("/try/image2video")
        told = await ann.post(
            "/try/image2video", image=name, model_name="kling-v3", mode="std", duration="5"
        )
        assert (told.status_code, name in told.text) == (200, True)

        assert (await other.get(f"/files/{row['id']}/delete")).status_code == 404
        assert (await other.post(f"/files/{row['id']}/delete")).status_code == 404
        assert (await ann.get("/files/nothing/delete")).status_code == 404
        assert "Delete it" in await ann.read(f"/files/{row['id']}/delete")
        assert (
            (await ann.post(f"/files/{row['id']}/delete"))
            .headers["location"]
            .endswith("/files?said=removed")
        )
        again = await ann.post(f"/files/{row['id']}/delete")
        assert (again.status_code, "it is over already" in again.text) == (422, True)
        assert [one["state"] for one in await kept(relay)] == ["deleted"]


async def test_who_only_reads_sends_and_deletes_none(relay: Relay) -> None:
    """Nor is a stranger let in at all."""
    await relay.rows("UPDATE tenants SET asset_bytes_max = $1", 10 * MB)
    async with visiting(relay) as ann, visiting(relay, "acme", Scope.READ) as reader:
        await send(ann, PICTURE)
        [row] = await kept(relay)
        page = await reader.read("/files")
        assert row["id"] in page
        assert 'type="file"' not in page
        assert "/delete" not in page
        assert await send(reader, PICTURE + b"x") == "?wrong=later"
        assert (await reader.post(f"/files/{row['id']}/delete")).status_code == 403
        reader.client.cookies.clear()
        out = await reader.client.post(
            "/portal/files/send", files=[("file", ("a", PICTURE))], headers=OURS
        )
        assert "/portal/login" in out.headers["location"]
        assert [one["state"] for one in await kept(relay)] == ["stored"]
