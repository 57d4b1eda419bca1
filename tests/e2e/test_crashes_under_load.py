"""Relays that are killed at random moments, or cut from their database, while tenants work."""

import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from relay.tenants.tokens import IssuedToken
from tests.e2e.load import Load
from tests.e2e.processes import free_port
from tests.e2e.world import World
from tests.waiting import settle_for, wait_until

OPEN = """
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
COUNT, CUT = f"SELECT count(*) AS connections {OPEN}", f"SELECT pg_terminate_backend(pid) {OPEN}"
CONNECTIONS_FEW = 4


async def test_a_relay_that_is_killed_again_and_again_loses_nothing(world: World) -> None:
    """Three SIGKILLs while two tenants place 36 orders each: Kling's log and the books agree."""
    tokens = await open_shop(world)
    load = Load(world, [world.url])
    async with contextlib.AsyncExitStack() as last, working(load, tokens, orders=36):
        await kill_and_restart(world, times=3)
        await last.enter_async_context(world.started_relay(public_url=world.url))
        await world.end_leases()
        await load.done()
        await world.settle()
        await check_what_tenants_see(world, tokens, load)

    assert load.unanswered > 0, "no order was hit by a kill: this run shows nothing"
    await world.check_books()


async def test_of_two_relays_on_one_database_either_may_be_killed(world: World) -> None:
    """One relay is killed twice, the other serves on; callbacks go to the one that dies."""
    tokens = await open_shop(world)
    other_port = free_port()
    load = Load(world, [world.url, f"http://127.0.0.1:{other_port}"])
    with world.relay(port=other_port, public_url=world.url) as other:
        await other.logged("serve.started")
        async with contextlib.AsyncExitStack() as last, working(load, tokens, orders=36):
            await kill_and_restart(world, times=2)
            await last.enter_async_context(world.started_relay(public_url=world.url))
            await world.end_leases()
            await load.done()
            await world.settle()
            await check_what_tenants_see(world, tokens, load)

    assert load.unanswered > 0, "no order was hit by a kill: this run shows nothing"
    await world.check_books()


async def test_a_database_that_cuts_every_connection_loses_no_charge(world: World) -> None:
    """All backends are terminated three times; the same process goes on, and nothing is lost."""
    tokens = await open_shop(world)
    load = Load(world, [world.url])
    async with (
        world.started_relay(public_url=world.url) as relay,
        working(load, tokens, orders=48),
    ):
        cuts = [await cut_connections(world) for _ in range(3)]
        await world.end_leases()
        await load.done()
        await world.settle()
        await check_what_tenants_see(world, tokens, load)

    assert min(cuts) > 0
    assert relay.events("batch.connection_lost")
    await world.check_books()


@pytest.mark.soak
async def test_a_relay_that_is_killed_for_a_minute_loses_nothing(world: World) -> None:
    """Thirty SIGKILLs, 600 orders."""
    tokens = await open_shop(world)
    load = Load(world, [world.url])
    async with contextlib.AsyncExitStack() as last, working(load, tokens, orders=300):
        await kill_and_restart(world, times=30)
        await last.enter_async_context(world.started_relay(public_url=world.url))
        await world.end_leases()
        await load.done()
        await world.settle()
        await check_what_tenants_see(world, tokens, load)

    await world.check_books()


async def open_shop(world: World) -> list[IssuedToken]:
    await world.add_channel(base_url=world.kling_url)
    return [await world.add_tenant(name, quota_micros=500_000_000) for name in ("acme", "zeta")]


async def kill_and_restart(world: World, *, times: int) -> None:
    for _ in range(times):
        async with world.started_relay(public_url=world.url) as relay:
            await settle_for(random.uniform(0.05, 0.6), because="a kill comes at any moment")
            relay.kill()


async def cut_connections(world: World) -> int:
    """Cut them once the relay has several again."""
    await settle_for(random.uniform(0.2, 0.5), because="a cut comes at any moment")
    await wait_until(lambda: has_connections(world))
    return len(await world.rows(CUT))


async def has_connections(world: World) -> bool:
    (row,) = await world.rows(COUNT)
    return int(row["connections"]) >= CONNECTIONS_FEW


@contextlib.asynccontextmanager
async def working(load: Load, tokens: list[IssuedToken], *, orders: int) -> AsyncIterator[None]:
    """Orders come in from here on; `load.done()` waits for the last."""
    load.begin(tokens, orders=orders)
    try:
        yield
    finally:
        await load.stop()


async def check_what_tenants_see(world: World, tokens: list[IssuedToken], load: Load) -> None:
    """Every id that a tenant was told is Kling's, and is found by it and by the tenant's own."""
    known = {entry["task_id"] for entry in await world.kling_log()}
    by_tenant = {token.tenant: token for token in tokens}
    for order, task_id in load.ids.items():
        token = by_tenant[order.partition("-")[0]]
        replies = [await world.ask(token, key) for key in (task_id, order)]
        assert [reply.json()["data"]["task_id"] for reply in replies] == [task_id, task_id]
        assert task_id in known
