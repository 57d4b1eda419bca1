"""How busy bought slots are kept: one account slow, one running dry, one with wrong keys.

On demand, for ten minutes (`pytest -m soak -s tests/e2e/test_slots.py`); `SLOTS_SECONDS` says else.
The table that it prints stands in docs/operate.md, "Room".
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.sandbox.settings import Account as SandboxAccount
from relay.tenants.tokens import IssuedToken
from tests.database.pgbouncer import needs_pgbouncer, pgbouncer, through
from tests.e2e.processes import Process, free_port, running
from tests.e2e.world import World, open_world
from tests.relay_app import CLIP, TEXT2VIDEO, bearer
from tests.waiting import settle_for, wait_until

SECONDS = float(os.environ.get("SLOTS_SECONDS", "600"))
CLIENTS = 30
WRONG = SandboxAccount(access_key="nobody", secret_key="nobody-knows-it", api_key="nobody-has-it")


class Kling(NamedTuple):
    """One account of the soak."""

    name: str
    slots: int
    task_seconds: float
    video_units: int | None = None


FAST, SLOW, DRY = Kling("fast", 5, 15.0), Kling("slow", 3, 45.0), Kling("dry", 4, 15.0, 150)
UNITS_OF_A_CLIP = 3


class Clients:
    """Clients that retry by themselves: at once after an answer, after `Retry-After` if refused.

    Or clients whose creates wait: each asks for its task until that has ended, and makes the next.
    """

    def __init__(
        self, world: World, urls: list[str], tokens: list[IssuedToken], *, wait: bool
    ) -> None:
        self._headers = {"relay-queue": "1h"} if wait else {}
        self._world = world
        self._urls = urls
        self._tokens = tokens
        self.told: Counter[tuple[int, int]] = Counter()
        self.ids: list[str] = []
        self.is_over = False

    async def run(self) -> None:
        await asyncio.gather(*(self._insist(number) for number in range(CLIENTS)))

    async def _insist(self, number: int) -> None:
        chance = random.Random(number)
        token = self._tokens[number % len(self._tokens)]
        while not self.is_over:
            url = chance.choice(self._urls) + TEXT2VIDEO
            headers = bearer(token) | self._headers
            answer = await self._world.http.post(url, headers=headers, json=CLIP)
            told = answer.json()
            self.told[answer.status_code, told["code"]] += 1
            if told["code"] == 0:
                self.ids.append(told["data"]["task_id"])
                if self._headers:
                    await self._end_of(token, url, self.ids[-1])
                continue
            rest_s = float(answer.headers.get("retry-after", "1")) * (0.5 + chance.random())
            await settle_for(rest_s, because="its answer says so")

    async def _end_of(self, token: IssuedToken, url: str, id_: str) -> None:
        while True:
            await settle_for(1.0, because="clients ask every second")
            shown = await self._world.http.get(f"{url}/{id_}", headers=bearer(token))
            if shown.json()["data"]["task_status"] in ("succeed", "failed"):
                return


@pytest.mark.soak
@pytest.mark.parametrize("wait", [False, True], ids=["they retry", "they wait"])
@pytest.mark.parametrize(
    "replicas", [1, pytest.param(2, marks=needs_pgbouncer)], ids=["one", "two behind PgBouncer"]
)
async def test_slots_are_kept_busy(
    database_url: str,
    postgres_server: EmbeddedPostgres,
    tmp_path: Path,
    replicas: int,
    *,
    wait: bool,
) -> None:
    """No create of our own, no account asked that takes none, nobody told an untruth, no drift."""
    async with contextlib.AsyncExitStack() as started:
        world = await started.enter_async_context(open_world(database_url, tmp_path))
        klings = {
            kling: started.enter_context(running(*arguments(kling), log_path=log(tmp_path, kling)))
            for kling in (FAST, SLOW, DRY)
        }
        urls = {kling: await url_of(one) for kling, one in klings.items()}
        for kling, url in urls.items():
            await world.add_channel(kling.name, base_url=url)
        await world.add_channel("wrong keys", base_url=urls[FAST], account=WRONG, priority=5)
        tokens = [await world.add_tenant(name, quota_micros=10**12) for name in ("acme", "beta")]
        ports = [world.port, free_port()][:replicas]
        pooled = {}
        if replicas > 1:
            pooler = started.enter_context(pgbouncer(postgres_server, "transaction"))
            pooled = {"database_pool_url": await through(pooler, database_url)}
        for port in ports:
            relay = started.enter_context(
                world.relay(port=port, public_url=world.url, submit_timeout_s=60, **pooled)
            )
            await relay.logged("serve.started")
        clients = Clients(world, [f"http://127.0.0.1:{port}" for port in ports], tokens, wait=wait)
        working = asyncio.create_task(clients.run())
        began = time.time()

        await settle_for(SECONDS / 2, because="an account runs dry meanwhile")
        await world.http.post(
            f"{urls[DRY]}/sandbox/units",
            params={"access_key": DEFAULT_ACCOUNT.access_key, "units": 10**6},
        )
        bought = time.time()
        await settle_for(SECONDS / 2, because="its units were bought again")
        ended = time.time()
        clients.is_over = True
        await working
        await wait_until(lambda: _all_ended(world))

        logs = {kling: await read_log(world, url) for kling, url in urls.items()}
        made = sum(one["event"] == "accepted" for log in logs.values() for one in log)
        usable = {kling: [(began + kling.task_seconds, ended)] for kling in klings}
        usable[DRY] = [(began + DRY.task_seconds, ran_dry(logs[DRY])), (bought, ended)]
        busy = {kling.name: busy_share(kling, logs[kling], usable[kling]) for kling in klings}
        shares = [f"{kling.name:8} {kling.slots:5}  {busy[kling.name]:.1%}" for kling in klings]
        told = [f"{status}/{code}: {times}" for (status, code), times in clients.told.items()]
        how = "that wait" if wait else "that retry"
        head = f"{SECONDS:.0f} s, {replicas} serve, {CLIENTS} clients {how}: {made} tasks"
        lines = [head, "account  slots  busy", *shares, ", ".join(told)]
        sys.stdout.write("\n" + "\n".join(lines) + "\n")  # what it is run for

        assert made == len(clients.ids) == len(set(clients.ids))  # no create but clients' own
        assert set(clients.told) <= ({(200, 0)} if wait else {(200, 0), (429, 1303)})
        report = await world.audit()
        assert report.ok, report.differences
        rows = await world.rows("SELECT state, count(*) FROM tasks GROUP BY 1")
        assert dict(map(tuple, rows)).get("succeed") == made


async def _all_ended(world: World) -> bool:
    return not await world.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")


async def url_of(sandbox: Process) -> str:
    url: str = (await sandbox.logged("sandbox.started"))["url"]
    return url


def arguments(kling: Kling) -> tuple[str, ...]:
    units = () if kling.video_units is None else ("--video-units", str(kling.video_units))
    return (
        *("sandbox", "--port", "0", "--concurrency", str(kling.slots)),
        *("--task-seconds", str(kling.task_seconds), *units),
    )


def log(directory: Path, kling: Kling) -> Path:
    return directory / f"{kling.name}.log"


async def read_log(world: World, url: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (await world.http.get(f"{url}/sandbox/log")).json()
    return entries


def ran_dry(entries: list[dict[str, Any]]) -> float:
    """When the units that it had at first were used up."""
    ends = [entry for entry in entries if entry["event"] == "ended"]
    assert DRY.video_units is not None
    return moment(ends[DRY.video_units // UNITS_OF_A_CLIP - 1])


def moment(entry: dict[str, Any]) -> float:
    return float(entry["at_ms"]) / 1000


def busy_share(
    kling: Kling, entries: list[dict[str, Any]], usable: list[tuple[float, float]]
) -> float:
    """Of the time in which its slots could be used, in slots."""
    spans: dict[str, tuple[float, float]] = {}
    for entry in entries:
        if entry["event"] == "accepted":
            spans[entry["task_id"]] = (moment(entry), usable[-1][1])
        elif entry["event"] == "ended":
            spans[entry["task_id"]] = (spans[entry["task_id"]][0], moment(entry))
    busy_s = sum(
        max(0.0, min(end, until) - max(start, since))
        for start, end in spans.values()
        for since, until in usable
    )
    return busy_s / sum(kling.slots * (until - since) for since, until in usable)
