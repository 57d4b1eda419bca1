"""A relay and a sandbox as processes on real sockets, one pair for all clients of a module."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.tenants.tokens import IssuedToken
from tests.clones import cloned
from tests.e2e.processes import Process
from tests.e2e.world import World, open_world

BUDGET_MB = 4


class Shop(NamedTuple):
    world: World
    relay: Process
    token: IssuedToken
    other: IssuedToken


@pytest.fixture(scope="module")
async def shop(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """Two tenants; bodies of 4 MB in memory at a time, 2 MB for each tenant."""
    directory = tmp_path_factory.mktemp("clients")
    async with (
        cloned(postgres_server, template) as url,
        open_world(url, directory, task_seconds=1.5) as world,
    ):
        token = await world.add_tenant("acme", quota_micros=1_000_000_000)
        other = await world.add_tenant("beta", quota_micros=1_000_000_000)
        await world.add_channel(base_url=world.kling_url)
        async with world.started_relay(body_budget_mb=BUDGET_MB) as relay:
            yield Shop(world, relay, token, other)
