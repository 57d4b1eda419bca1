"""Creates on which Kling breaks each time, beside others': they keep no channel from these."""

import asyncio
from pathlib import Path

from relay.tenants.tokens import IssuedToken
from tests.e2e.world import World, open_world
from tests.waiting import settle_for

POISON = {"prompt": "it breaks [html refused]"}
RETRY_S = 4
"""For how long a create is tried."""
CLIENTS = 12


async def test_who_breaks_kling_each_time_keeps_nobody_else_from_it(
    database_url: str, tmp_path: Path
) -> None:
    """12 clients of one tenant send what Kling answers with a 502, again and again, for so long
    that doubled pauses would be longer than a create is tried; another tenant's are all taken."""
    async with open_world(database_url, tmp_path) as world:
        await world.add_channel(base_url=world.kling_url)
        bad = await world.add_tenant("bad", quota_micros=10**12)
        good = await world.add_tenant("good", quota_micros=10**12)
        async with world.started_relay(submit_retry_s=RETRY_S, submit_timeout_s=30):
            hammering = [asyncio.create_task(hammer(world, bad)) for _ in range(CLIENTS)]
            await settle_for(3 * RETRY_S, because="the channel cools, and is tried in vain")
            (cooling,) = await world.rows("SELECT state, tries FROM channel_conditions")

            answers = [await world.send(good, {}) for _ in range(5)]

            for each in hammering:
                each.cancel()
            await asyncio.gather(*hammering, return_exceptions=True)
        assert (cooling["state"], cooling["tries"]) == ("cooling", 0)
        assert [answer.status_code for answer in answers] == [200] * 5


async def hammer(world: World, token: IssuedToken) -> None:
    """Create it again and again, as clients do that retry."""
    while True:
        await world.send(token, POISON)
        await settle_for(0.05, because="a client that was refused asks again, but not at once")
