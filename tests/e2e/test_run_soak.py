"""Runs of all kinds over two relays that are killed in turn, before a Kling that errs and is lost.

On demand (`pytest -m soak -s tests/e2e/test_run_soak.py`): 200 runs, in about a minute a seed;
`RUN_SOAK_SEEDS` says which.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from pathlib import Path

import httpx
import pytest

from relay.desk.prices import set_price
from relay.desk.tenants import TenantChanges, change_tenant
from relay.desk.tokens import issue_token
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.tenants.tokens import IssuedToken
from tests.e2e.gate import open_gate
from tests.e2e.processes import free_port
from tests.e2e.run_books import FIXED_MICROS, find_differences, read_books
from tests.e2e.run_orders import RunOrders
from tests.e2e.run_weather import Relays, disturb, let_time_pass
from tests.e2e.streams import ComeAgain, listening
from tests.e2e.world import World, open_world
from tests.relay_app import ACTOR
from tests.waiting import settle_for, wait_until

SEEDS = [int(seed) for seed in os.environ.get("RUN_SOAK_SEEDS", "1 2").split()]
QUOTAS_MICROS = {"acme": 10**12, "keeps": 10**12, "waits": 10**12, "short": 9_000_000}
"""By tenant: one as any, one that keeps files, one whose own creates wait, one with little."""
RUNS = int(os.environ.get("RUN_SOAK_RUNS", "200"))
SLOTS = 8
LATEST = """
SELECT e.xact::text::bigint AS xact, e.id FROM run_events e JOIN tenants t ON t.id = e.tenant_id
WHERE t.name = $1 ORDER BY e.xact, e.id
"""


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
async def test_two_hundred_runs_end_charged_once_whatever_breaks(
    database_url: str, tmp_path: Path, seed: int
) -> None:
    """Every step makes one task that is charged at the most, and every event is heard once."""
    chance = random.Random(seed)
    async with contextlib.AsyncExitStack() as started:
        world = await started.enter_async_context(
            open_world(database_url, tmp_path, concurrency=SLOTS)
        )
        gate = await started.enter_async_context(open_gate(world.kling_url))
        await world.add_channel(base_url=gate.url)
        keys = {name: await open_tenant(world, name) for name in QUOTAS_MICROS}
        relays = Relays(
            *(world, started.enter_context(contextlib.ExitStack())),
            studio=True,
            asset_store=str(tmp_path / "assets"),
            callback_allow="127.0.0.1",
        )
        await relays.start(world.port, free_port())
        orders = RunOrders(world, relays.urls, keys)
        followed = {name: Followed(world, relays.urls, key[0]) for name, key in keys.items()}
        began = time.monotonic()
        async with asyncio.TaskGroup() as beside:
            hearing = [beside.create_task(one.follow()) for one in followed.values()]
            await wait_until(lambda: all(one.place for one in followed.values()))
            breaking = [
                beside.create_task(relays.kill_in_turn(chance, orders.did)),
                beside.create_task(disturb(gate, chance, orders.did)),
            ]
            passing = beside.create_task(let_time_pass(world))
            over = asyncio.Event()
            more = beside.create_task(orders.go_on("acme", random.Random(seed), over))
            await orders.run(chance, each=RUNS // len(keys))
            over.set()
            await more
            for breaker in breaking:
                breaker.cancel()
            await asyncio.wait(breaking)
            await relays.restart_killed()
            await world.settle()
            await wait_until(lambda: all_ended(world))
            passing.cancel()
            told = {name: await events_of(world, name) for name in keys}
            await wait_until(
                lambda: all(followed[name].heard[-1:] == told[name][-1:] for name in keys)
            )
            for listener in hearing:
                listener.cancel()
        did = ", ".join(f"{what} {times}" for what, times in sorted(orders.did.items()))
        books = await read_books(world)
        sys.stdout.write(
            f"\nseed {seed}, {time.monotonic() - began:.0f} s: {len(books.runs)} runs,"
            f" {len(books.tasks)} tasks, {len(books.accepted)} at Kling; {did}\n"
        )  # what it is run for

        differences = find_differences(books)
        assert not differences, "\n".join(differences)
        report = await world.audit()
        assert report.ok, report.differences
        for name, one in followed.items():
            assert one.heard == told[name], f"what {name} heard is not what was told, in its order"
        assert len(set(orders.ids.values())) == len(orders.ids) == len(books.runs)


async def open_tenant(world: World, name: str) -> list[IssuedToken]:
    """Open one with two keys."""
    first = await world.add_tenant(name, quota_micros=QUOTAS_MICROS[name])
    changes = {
        "keeps": TenantChanges(keep_results_days=30),
        "waits": TenantChanges(queue_s=600),
    }
    async with world.sessions.begin() as session:
        if name in changes:
            await change_tenant(session, ACTOR, name, changes[name])
        if name == "acme":
            for price, micros in FIXED_MICROS.items():
                row = PriceRow(price, PriceKind.FIXED, Per.TASK, amount_micros=micros)
                await set_price(session, ACTOR, row)
        return [first, await issue_token(session, ACTOR, name, world.keys)]


class Followed:
    """A tenant's events, heard at the one relay or the other from where it was cut off."""

    def __init__(self, world: World, urls: list[str], token: IssuedToken) -> None:
        self._world, self._urls, self._token = world, urls, token
        self.place = ""
        self.heard: list[tuple[int, int]] = []

    async def follow(self) -> None:
        """Hear them until it is cancelled."""
        at = 0
        while True:
            at += 1
            url = f"{self._urls[at % len(self._urls)]}/api/kling/events"
            headers = {"last_event_id": self.place} if self.place else {}
            with contextlib.suppress(httpx.TransportError, ComeAgain):
                async with listening(self._world.http, url, self._token, **headers) as heard:
                    async for one in heard:
                        assert one.event != "reset"
                        self.place = one.id or self.place
                        if one.event == "progress" and one.id:
                            xact, id_, _ = one.id.split(".")
                            self.heard.append((int(xact), int(id_)))
            await settle_for(0.1, because="who is cut off comes again, but not at once")


async def all_ended(world: World) -> bool:
    return not await world.rows("SELECT 1 FROM runs WHERE ended_at IS NULL")


async def events_of(world: World, tenant: str) -> list[tuple[int, int]]:
    return [(row["xact"], row["id"]) for row in await world.rows(LATEST, tenant)]
