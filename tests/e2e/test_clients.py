"""Clients of Kling's as they are: how they sign, spell paths, upload and keep connections.

All of them use one relay, which must serve the next one whatever the one before did.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.server.head import HEAD_BYTES_MAX
from relay.tenants.tokens import IssuedToken
from tests.clones import cloned
from tests.e2e.processes import Process
from tests.e2e.raw import connected, post
from tests.e2e.world import World, open_world
from tests.relay_app import CLIP, TEXT2VIDEO, bearer, signed
from tests.waiting import PATIENCE_S, wait_until


class Shop(NamedTuple):
    world: World
    relay: Process
    token: IssuedToken


@pytest.fixture(scope="module")
async def shop(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    directory: Path = tmp_path_factory.mktemp("clients")
    async with (
        cloned(postgres_server, template) as url,
        open_world(url, directory) as world,
    ):
        token = await world.add_tenant()
        await world.add_channel(base_url=world.kling_url)
        async with world.started_relay() as relay:
            yield Shop(world, relay, token)


async def test_a_client_that_signs_each_request_makes_a_video(shop: Shop) -> None:
    """A JWT per request, a base URL that ends in /kling/, doubled slashes: as with Kling's own."""
    world, base = shop.world, f"{shop.world.url}/kling/"
    order = {**CLIP, "external_task_id": "order-1"}

    created = await world.http.post(
        f"{base}/v1//videos/text2video/", json=order, headers=fresh_jwt(shop)
    )
    task_id = created.json()["data"]["task_id"]
    await world.settle()
    answers = [
        await world.http.get(base + path, headers=fresh_jwt(shop))
        for path in (
            f"v1/videos/text2video/{task_id}",
            "/v1/videos//text2video/order-1",
            f"v1/videos/{task_id}",
            "v1/videos/text2video?pageNum=1&pageSize=30",
        )
    ]
    *queried, listed = [answer.json()["data"] for answer in answers]
    file = await world.http.get(listed[0]["task_result"]["videos"][0]["url"])

    assert created.status_code == 200
    assert [(task["task_id"], task["task_status"]) for task in queried] == [
        (task_id, "succeed")
    ] * 3
    assert [task["task_id"] for task in listed] == [task_id]
    assert listed[0]["task_info"] == {"external_task_id": "order-1"}
    assert file.headers["content-type"] == "video/mp4"


async def test_an_upload_may_wait_for_100_continue(shop: Shop) -> None:
    """curl sends bodies above 1 MB so: head first, body after the relay's 100."""
    body = json.dumps(CLIP).encode()
    async with connected(shop.world.port) as client:
        await client.send(
            post(
                TEXT2VIDEO,
                bearer=shop.token.api_key,
                length=len(body),
                more="Expect: 100-continue\r\n",
            )
        )
        go_on = await client.answer()
        await client.send(body)
        answer = await client.answer()

    assert go_on.status == 100
    assert (answer.status, answer.body["code"]) == (200, 0)


async def test_one_connection_serves_request_after_request(shop: Shop) -> None:
    """A create, a refusal, an unknown path and a create, over one connection that stays open."""
    body = json.dumps(CLIP).encode()
    requests = (
        (TEXT2VIDEO, shop.token.api_key),
        (TEXT2VIDEO, "sk-nobodys"),
        ("/kling/v1/nothing", shop.token.api_key),
        (TEXT2VIDEO, shop.token.api_key),
    )

    statuses = []
    async with connected(shop.world.port) as client:
        for path, key in requests:
            await client.send(post(path, bearer=key, length=len(body)), body)
            statuses.append((await client.answer()).status)

    assert statuses == [200, 401, 404, 200]


async def test_a_giant_credential_is_refused_like_any_other(shop: Shop) -> None:
    """60 KB of Authorization, in three shapes: 401 in Kling's envelope, from the real server."""
    long = "x" * 60_000
    answers = [
        await shop.world.http.get(
            f"{shop.world.url}{TEXT2VIDEO}/1", headers={"Authorization": header}
        )
        for header in (f"Bearer {long}", f"Bearer eyJ.{long}.y", long)
    ]

    assert [answer.status_code for answer in answers] == [401] * 3
    assert all(1000 <= answer.json()["code"] <= 1004 for answer in answers)
    assert all(answer.json()["request_id"] for answer in answers)


async def test_no_header_tells_what_answers(shop: Shop) -> None:
    """No `server`, on answers and refusals alike; JSON as Kling's, with a request id."""
    answers = [
        await shop.world.send(shop.token, {}),
        await shop.world.http.get(f"{shop.world.url}/nothing"),
        await shop.world.http.get(f"{shop.world.url}/nothing", headers=bearer(shop.token)),
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 404]
    assert not any("server" in answer.headers for answer in answers)
    assert all(answer.headers["x-request-id"] for answer in answers)
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}


async def test_bytes_that_are_no_request_harm_nobody(shop: Shop) -> None:
    """A TLS hello on the plain port; the next client is served."""
    async with connected(shop.world.port) as client:
        await client.send(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")

    answer = await shop.world.send(shop.token, {})

    assert answer.status_code == 200


async def test_a_hang_up_before_the_answer_of_a_poll_is_nothing(shop: Shop) -> None:
    """Five clients that leave in the middle of a GET: five lines in the log, no error."""
    world, relay = shop.world, shop.relay
    sent = await world.send(shop.token, {})
    lines = len(relay.events("request.answered"))
    request = (
        f"GET {TEXT2VIDEO}/{sent.json()['data']['task_id']} HTTP/1.1\r\nHost: relay\r\n"
        f"Authorization: Bearer {shop.token.api_key}\r\n\r\n"
    )
    for _ in range(5):
        async with connected(world.port) as client:
            await client.send(request.encode())

    async def all_logged() -> bool:
        return len(relay.events("request.answered")) >= lines + 5

    await wait_until(all_logged, what=relay.tail)
    await world.settle()

    assert '"level":"error"' not in relay.log_path.read_text()
    await world.check_books()


def fresh_jwt(shop: Shop) -> dict[str, str]:
    return {"Authorization": f"Bearer {signed(shop.token)}"}


async def test_headers_that_do_not_end_are_cut(shop: Shop) -> None:
    """After 64 kB the connection is closed: nothing grows with what is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.world.port)
    writer.write(b"GET /v1/videos/1 HTTP/1.1\r\nX-Long: ")
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 256 * HEAD_BYTES_MAX and not reader.at_eof():
            writer.write(b"a" * 65536)
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
            await asyncio.sleep(0)
            sent += 65536

    assert sent < 256 * HEAD_BYTES_MAX
    writer.close()
