"""Large images through one process: every byte arrives, and memory stays bounded."""

import asyncio
import hashlib
import json
import os
import sys
from base64 import b64encode

import httpx
import pytest

from relay.tenants.tokens import IssuedToken
from tests.e2e.world import World
from tests.relay_app import bearer

IMAGE2VIDEO = "/kling/v1/videos/image2video"
IMAGE_CHARS = 13 * 1024 * 1024
BODIES = 8


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("budget_mb", "growth_mb_max"), [(256, 200), (32, 80)])
async def test_eight_large_images_at_once_stay_within_the_budget(
    world: World, budget_mb: int, growth_mb_max: int
) -> None:
    """8 bodies of 13 MB of two tenants: the peak follows the budget, Kling gets every byte.

    Measured: 105 MB more than idle with room for all of them, 51 MB where two fit at a time.
    """
    tokens = [await world.add_tenant(name) for name in ("acme", "zeta")]
    await world.add_channel(base_url=world.kling_url)
    image = b64encode(os.urandom(IMAGE_CHARS * 3 // 4)).decode()
    async with world.started_relay(body_budget_mb=budget_mb, submit_timeout_s=30) as relay:
        idle_mb = relay.memory_peak_mb()
        answers = await asyncio.gather(
            *(send(world, tokens[n % 2], image, n) for n in range(BODIES))
        )
        peak_mb = relay.memory_peak_mb()
    requests = (await world.http.get(f"{world.kling_url}/sandbox/requests")).json()

    arrived = {request["body_sha256"] for request in requests if request["method"] == "POST"}
    ids = {task["tenant_external_id"]: task["injected_id"] for task in await world.tasks()}
    assert [answer.status_code for answer in answers] == [200] * BODIES
    assert arrived == {digest(image, n, ids[f"order-{n}"]) for n in range(BODIES)}
    assert peak_mb - idle_mb < growth_mb_max
    assert peak_mb < 600


def body_of(image: str, number: int, external_id: str) -> bytes:
    fields = {
        "model_name": "kling-v2-6",
        "image": image,
        "prompt": f"a fox {number}",
        "mode": "pro",
        "duration": "5",
        "external_task_id": external_id,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


async def send(world: World, token: IssuedToken, image: str, number: int) -> httpx.Response:
    return await world.http.post(
        world.url + IMAGE2VIDEO,
        content=body_of(image, number, f"order-{number}"),
        headers=bearer(token) | {"Content-Type": "application/json"},
    )


def digest(image: str, number: int, external_id: str) -> str:
    """Of what Kling should get: the same body with our id for the tenant's."""
    return hashlib.sha256(body_of(image, number, external_id)).hexdigest()
