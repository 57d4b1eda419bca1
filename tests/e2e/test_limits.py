"""Limits over processes that share nothing but the database."""

import asyncio
from collections import Counter

from relay.limits.tables import LimitKind
from tests.e2e.processes import free_port
from tests.e2e.world import World
from tests.limits.limiting import limit, limits
from tests.relay_app import CLIP_MICROS

ALLOWED = 37


async def test_a_hundred_submits_to_two_processes_stop_at_a_limit_to_the_micro(
    world: World,
) -> None:
    """A micro less than one more is left: of a hundred at once 37 are made, whoever was asked."""
    await world.add_channel(base_url=world.kling_url)
    token = await world.add_tenant(quota_micros=200 * CLIP_MICROS)
    other_port = free_port()
    urls = (world.url, f"http://127.0.0.1:{other_port}")
    patience = {"submit_timeout_s": 20}  # on a busy machine a hundred take longer than one
    with world.relay(port=other_port, **patience) as other:
        async with world.started_relay(**patience):
            await other.logged("serve.started")
            for url in urls:  # both have read the token, and have connections open
                assert (await world.send(token, {}, url=url)).is_success
            await limit(world, token_id=token.id, month=(ALLOWED + 3) * CLIP_MICROS - 1)
            answers = await asyncio.gather(
                *(world.send(token, {}, url=urls[number % 2]) for number in range(100))
            )
            await world.settle()

    assert Counter(answer.json()["code"] for answer in answers) == {0: ALLOWED, 1102: 100 - ALLOWED}
    assert (await limits(world))[LimitKind.MONTH].taken == (ALLOWED + 2) * CLIP_MICROS
    assert len(await world.kling_log()) == ALLOWED + 2
    await world.check_books()
