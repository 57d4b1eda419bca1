"""A process divides the connections that it is allowed, and opens no more."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.database.line import connector
from relay.database.lines import Lines, share
from relay.settings.values import CONNECTIONS_MAX, CONNECTIONS_MIN
from relay.tenants.tokens import IssuedToken
from tests.deliveries.tenant_server import TenantServer
from tests.owners.two_accounts import ONE, TWO, Steered
from tests.relay_app import CLIP, PUBLIC_URL, Relay, bearer, running_relay, signed
from tests.waiting import settle_for, wait_until

ALLOWED = range(CONNECTIONS_MIN, CONNECTIONS_MAX + 1)
WINDOW = "start_time=1&end_time=4102444800000"
OTHERS = """
    SELECT application_name = 'kling-relay batcher' AS is_line, count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()
    GROUP BY 1
"""


class Watch:
    """A session of the test's own, which counts those of all others."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._turn = asyncio.Lock()

    async def fetch(self, query: str) -> list[Any]:
        async with self._turn:
            return list(await self._session.fetch(query))

    async def others(self) -> tuple[int, int]:
        """How many lines are open, and how many connections besides."""
        counts = {row["is_line"]: row["count"] for row in await self.fetch(OTHERS)}
        return counts.get(True, 0), counts.get(False, 0)

    async def loops_began(self) -> bool:
        """Whether anybody holds a connection."""
        return await self.others() > (0, 0)

    async def most(self, ended: asyncio.Event) -> tuple[int, int]:
        """The most of both together that there were until then."""
        seen = (0, 0)
        while not ended.is_set():
            seen = max(seen, await self.others(), key=sum)
            await settle_for(0.002, because="connections are not opened and closed so quickly")
        return seen


@asynccontextmanager
async def watched_relay(
    database_url: str, **settings: Any
) -> AsyncIterator[tuple[Relay, Watch, list[IssuedToken]]]:
    """A relay with a worker before two accounts, of which the first takes no creates.

    Three tenants and the channels are written before; nobody else is connected.
    """
    kling = Steered()
    async with running_relay(
        database_url,
        transport=kling,
        with_callbacks=True,
        with_worker=True,
        callback_allow="127.0.0.0/8",
        **settings,
    ) as relay:
        await relay.add_channel("one", account=ONE, priority=2)
        await relay.add_channel("two", account=TWO, priority=1)
        tokens = [await relay.add_tenant(f"t{n}", quota_micros=10**9) for n in range(3)]
        await relay.sessions.kw["bind"].dispose()  # the test's own
        kling.down = {"one"}
        session = await asyncpg.connect(dsn(database_url))
        yield relay, Watch(session), tokens
        await session.close()


@pytest.mark.parametrize("connections", ALLOWED)
def test_all_that_is_allowed_is_shared_out(connections: int) -> None:
    """To lines, the pool, sessions and chores; two of the last three may be held for long."""
    shares = share(connections)

    assert sum(shares) == connections
    assert shares.pool >= 2
    assert (shares.sessions >= 1, shares.chores) == (True, 1)


@pytest.mark.parametrize("connections", ALLOWED)
async def test_what_waits_for_no_lock_shares_a_line_with_nothing_that_does(
    connections: int,
) -> None:
    """However few there are; what must be on disk before Kling hears of it is durable."""
    lines = Lines(connector("postgresql://nobody@127.0.0.1:1/none"), count=share(connections).lines)

    locking = {lines.holds, lines.ends, lines.records, lines.refusals}

    assert lines.reads not in locking
    assert len({*locking, lines.reads}) == share(connections).lines
    assert {lines.holds, lines.ends}.isdisjoint({lines.records, lines.refusals})


async def test_a_process_that_nobody_asks_holds_what_its_loops_need(database_url: str) -> None:
    """Loops open no line, and of the rest none but the pool's and the chores'; readiness opens what
    a submit needs.

    How many of the pool's is a matter of which turns met, and each is kept for minutes.
    """
    shares = share(CONNECTIONS_MAX)
    async with watched_relay(database_url, database_connections=CONNECTIONS_MAX) as (
        relay,
        watch,
        _,
    ):
        await wait_until(watch.loops_began)
        await settle_for(1.0, because="each loop has had its turn by then")
        held = await watch.others()
        ready = await relay.client.get("/health/ready")
        asked = await watch.others()

    assert held[0] == 0
    assert held[1] <= shares.pool + shares.chores < sum(shares) - shares.lines
    assert ready.status_code == 200
    assert (asked[0], asked[1] <= shares.pool + shares.chores + 1) == (3, True)


@pytest.mark.parametrize("connections", [CONNECTIONS_MIN, CONNECTIONS_MAX])
async def test_under_load_of_every_kind_there_are_no_more_than_allowed(
    database_url: str, connections: int
) -> None:
    """All lines are used, and of the pool and the sessions all that there are."""
    shares = share(connections)
    async with (
        TenantServer() as server,
        watched_relay(
            database_url, database_connections=connections, refresh_s=0.0, audit_every_s=0.1
        ) as (relay, watch, tokens),
    ):
        ended = asyncio.Event()
        counting = asyncio.create_task(watch.most(ended))
        submits = await asyncio.gather(*_submits(relay, tokens, server))
        # The worker delivers, looks and audits meanwhile.
        for _ in range(3):
            tasks = await watch.fetch("SELECT id, injected_id, channel_id, kling_id FROM tasks")
            await asyncio.gather(*_questions(relay, tokens, tasks), *_callbacks(relay, tasks))
        await wait_until(lambda: server.posts)
        ended.set()
        lines, others = await counting
        report = await relay.audit()

    assert {answer.status_code for answer in submits} == {200, 400}
    assert (lines, others) == (shares.lines, shares.pool + shares.sessions + shares.chores)
    assert report.ok


def _submits(relay: Relay, tokens: list[IssuedToken], server: TenantServer) -> Iterator[Any]:
    """Each is turned away by the first account; a third is refused by the second, too."""
    for number in range(60):
        prompt = "[error 1301]" if number % 3 == 0 else "a fox"
        body = {**CLIP, "prompt": prompt, "callback_url": server.url()}
        yield relay.submit(tokens[number % 3], body)


def _questions(relay: Relay, tokens: list[IssuedToken], tasks: list[Any]) -> Iterator[Any]:
    for token in tokens:
        fresh = {"Authorization": f"Bearer {signed(token, sub=str(len(tasks)))}"}
        yield relay.client.get("/health/ready")
        yield relay.client.get("/v1/videos/text2video?pageNum=1&pageSize=30", headers=fresh)
        yield relay.client.get(f"/account/costs?{WINDOW}", headers=bearer(token))
        yield relay.client.get("/relay/deliveries", headers=bearer(token))
        yield relay.client.post(
            "/account/billing/package", headers=bearer(token), json={"start_time": 1}
        )
        for task in tasks:
            yield relay.get(token, str(task["kling_id"]))


def _callbacks(relay: Relay, tasks: list[Any]) -> Iterator[Any]:
    for task in tasks:
        url = relay.faces.receiver.paths.url(task["injected_id"], task["channel_id"])
        assert url is not None
        body = {
            "task_id": task["kling_id"],
            "task_status": "processing",
            "task_info": {"external_task_id": task["injected_id"]},
        }
        yield relay.client.post(url.removeprefix(PUBLIC_URL), json=body)
