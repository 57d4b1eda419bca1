"""Point 14: large bodies under the budget, eight clients at a time, and nobody starves."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from relay.server.bounded_request import BoundedRequest
from relay.tenants.tokens import IssuedToken
from tests.clients.conftest import Shop
from tests.e2e.raw import connected, post
from tests.e2e.world import open_world
from tests.relay_app import CLIP, TEXT2VIDEO, bearer
from tests.waiting import PATIENCE_S, settle_for

MB = 1024 * 1024


def body_of(megabytes: float, *, prompt: str = "a fox") -> bytes:
    """A create with base64 in a field that nobody reads."""
    blob = b"QUJD" * int(megabytes * MB / 4)
    return b'{"model_name":"kling-v3","prompt":"%b","mode":"std","blob":"%b"}' % (
        prompt.encode(),
        blob,
    )


async def upload(
    http: httpx.AsyncClient, url: str, token: IssuedToken, content: bytes
) -> httpx.Response:
    return await http.post(url + TEXT2VIDEO, headers=bearer(token), content=content)


async def test_eight_clients_share_a_budget_that_holds_two(shop: Shop) -> None:
    """4 MB for bodies of 1.5 MB: all pass, whole, as their length at Kling shows."""
    content = body_of(1.5, prompt="eight")

    answers = await asyncio.gather(
        *(
            upload(shop.world.http, shop.world.url, token, content)
            for token in (shop.token, shop.other) * 4
        )
    )

    assert [answer.status_code for answer in answers] == [200] * 8
    requests = (await shop.world.http.get(f"{shop.world.kling_url}/sandbox/requests")).json()
    lengths = [one["body_bytes"] for one in requests if "eight" in one["body"][:200]]
    assert len(lengths) == 8
    assert min(lengths) >= len(content)


async def test_tenants_that_stall_keep_nobody_waiting(shop: Shop) -> None:
    """Two uploads of 1.5 MB of each tenant stop at 100 KB: all others pass at once.

    What they declare would be more than the whole budget.
    """
    content = body_of(1.5)
    async with contextlib.AsyncExitStack() as connections:
        stalled = []
        for token in (shop.token, shop.other) * 2:
            stalled.append(await connections.enter_async_context(connected(shop.world.port)))
            head = post(TEXT2VIDEO, bearer=token.api_key or "", length=len(content))
            await stalled[-1].send(head, content[:100_000])
        await settle_for(0.2, because="by then each of them has taken what it may of the budget")

        async with asyncio.timeout(BoundedRequest.silence_s / 2):
            large = [
                await upload(shop.world.http, shop.world.url, token, content)
                for token in (shop.token, shop.other)
            ]
            small = await shop.world.send(shop.token, CLIP)
        await stalled[0].send(content[100_000:])
        finished = await stalled[0].answer()

    assert [answer.status_code for answer in (*large, small)] == [200] * 3
    assert finished.status == 200


async def test_chunked_uploads_end_beside_each_other(shop: Shop) -> None:
    """Of unknown length, each might become as large as the limit; four of them end."""
    content = body_of(1)

    async def chunked(token: IssuedToken) -> httpx.Response:
        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 100_000):
                yield content[start : start + 100_000]

        return await shop.world.http.post(
            shop.world.url + TEXT2VIDEO, headers=bearer(token), content=parts()
        )

    answers = await asyncio.gather(*(chunked(token) for token in (shop.token, shop.other) * 2))

    assert [answer.status_code for answer in answers] == [200] * 4


@pytest.mark.soak
async def test_sixty_megabytes_pass_eight_at_a_time(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Base64 of a 45 MB image, two tenants, 16 uploads; small requests are answered meanwhile."""
    content = body_of(60)
    async with open_world(database_url, tmp_path_factory.mktemp("sixty")) as world:
        tokens = [await world.add_tenant(name, quota_micros=10**9) for name in ("acme", "beta")]
        await world.add_channel(base_url=world.kling_url)
        slowest = 0.0
        async with (
            world.started_relay(submit_timeout_s=90, kling_timeout_s=60) as relay,
            httpx.AsyncClient(timeout=3 * PATIENCE_S, trust_env=False) as http,
        ):
            uploads = asyncio.gather(
                *(upload(http, world.url, token, content) for token in tokens * 4)
            )
            while not uploads.done():
                began = time.monotonic()
                assert (await world.send(tokens[0], CLIP)).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                await settle_for(0.5, because="a small request now and then is enough")
            answers = await uploads

            assert [answer.status_code for answer in answers] == [200] * 8
            # 256 MB of budget, a third of that for what is on its way to Kling, and the process.
            assert relay.memory_peak_mb() < 700
            assert slowest < 20
