"""Deliveries without a relay around them: rows written as FINISH writes them, and workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

from relay.counts import Counts
from relay.database.engine import Sessions, open_engine, open_pool, open_sessions
from relay.deliveries.deliver import AttemptLimits, Deliverer, LeasedDelivery
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.names import Lookup
from relay.deliveries.schedule import RetrySchedule
from relay.deliveries.send import Sender
from relay.deliveries.webhook_secrets import issue_secret
from relay.secrets import KeyRing, new_secret_key
from relay.worker.forget_old import Ages
from relay.worker.sweep import sweep

QUICK = RetrySchedule(first_s=0.02, longest_s=0.1, window_s=60)
"""Retries at once, for 60 s."""
AGES = Ages(
    deliveries_days=90,
    events_days=365,
    owners_days=30,
    callback_urls_days=30,
    addresses_days=90,
    inputs_days=30,
)
ENDED = 0.0
"""A lease that is over when it begins."""

ADD_TASKS = """
INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state, injected_id,
    callback_url, request_id, quote, hold_micros, submit_deadline_at, kling_id)
SELECT $1, (SELECT account_id FROM tenants WHERE id = $1),
    (SELECT id FROM tokens WHERE tenant_id = $1),
    (SELECT id FROM channels), 'text2video', 'submitted', gen_random_uuid()::text, $2,
    gen_random_uuid()::text, '{}', 0, now(), gen_random_uuid()::text
FROM generate_series(1, $3)
RETURNING id
"""

ADD_DELIVERIES = """
INSERT INTO deliveries (task_id, tenant_id, url, task_status, body)
SELECT t.id, t.tenant_id, t.callback_url, $2, $3
FROM unnest($1::bigint[]) AS told (id) JOIN tasks t USING (id)
RETURNING id
"""


class Worker:
    """One worker's deliverer; `run` is its loop, `once` one round of it."""

    def __init__(self, deliverer: Deliverer) -> None:
        self.deliverer = deliverer

    async def claim(self, limit: int = 1000) -> list[LeasedDelivery]:
        return await self.deliverer.claim_due(limit)

    async def once(self) -> int:
        """Claim what is due and attempt all of it; how many that were."""
        leased = await self.claim()
        await asyncio.gather(*(self.deliverer.deliver(one) for one in leased))
        return len(leased)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.create_task(
            sweep(
                "deliveries",
                self.deliverer.claim_due,
                self.deliverer.deliver,
                at_once=self.deliverer.limits.in_all,
                idle_s=0.02,
            )
        )
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


class Bench:
    def __init__(self, pool: Any, sessions: Sessions, keys: KeyRing) -> None:
        self.pool = pool
        self.sessions = sessions
        self.keys = keys

    async def add_tenant(self, name: str = "acme") -> int:
        tenant_id: int = await self.pool.fetchval(
            "WITH opened AS (INSERT INTO accounts DEFAULT VALUES RETURNING id)"
            " INSERT INTO tenants (name, account_id) SELECT $1, id FROM opened RETURNING id",
            name,
        )
        await self.pool.execute(
            "INSERT INTO tokens (tenant_id, api_key_hash) VALUES ($1, $2)",
            tenant_id,
            name.encode(),
        )
        return tenant_id

    async def add_secret(self, tenant_id: int) -> str:
        async with self.sessions.begin() as session:
            issued = await issue_secret(
                session, tenant_id, self.keys, may_rotate=True, ends_former=True
            )
        assert issued is not None
        return issued.secret

    async def add_task(self, tenant_id: int, url: str) -> int:
        return (await self.add_tasks(tenant_id, url, 1))[0]

    async def add_tasks(self, tenant_id: int, url: str, count: int) -> list[int]:
        return [row["id"] for row in await self.pool.fetch(ADD_TASKS, tenant_id, url, count)]

    async def tell(self, task: int, status: str = "succeed", *, body: str | None = None) -> int:
        """Write a delivery of one task's status."""
        return (await self.tell_all([task], status, body=body))[0]

    async def tell_all(
        self, tasks: list[int], status: str = "succeed", *, body: str | None = None
    ) -> list[int]:
        content = body or f'{{"task_status":"{status}"}}'
        rows = await self.pool.fetch(ADD_DELIVERIES, tasks, status, content)
        return [row["id"] for row in rows]

    async def delivery(self, delivery_id: int) -> Any:
        return await self.pool.fetchrow("SELECT * FROM deliveries WHERE id = $1", delivery_id)

    async def attempts(self, delivery_id: int) -> list[Any]:
        query = "SELECT * FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number"
        return list(await self.pool.fetch(query, delivery_id))

    async def is_ended(self, *delivery_ids: int) -> bool:
        query = "SELECT bool_and(state <> 'due') FROM deliveries WHERE id = ANY($1)"
        return bool(await self.pool.fetchval(query, list(delivery_ids)))

    async def end_leases(self) -> None:
        """Let what a worker has in hand be others', as if its leases were over."""
        await self.pool.execute(
            "UPDATE deliveries SET next_attempt_at = now() WHERE lease IS NOT NULL"
        )

    @asynccontextmanager
    async def worker(
        self,
        *,
        allowed: str = "127.0.0.0/8",
        lookup: Lookup | None = None,
        schedule: RetrySchedule = QUICK,
        limits: AttemptLimits | None = None,
        lease_s: float = 30.0,
        timeout_s: float = 10.0,
        counts: Counts | None = None,
    ) -> AsyncIterator[Worker]:
        guard = CallbackGuard([ip_network(allowed)] if allowed else [])
        sender = Sender(guard, lookup=lookup, timeout_s=timeout_s)
        try:
            yield Worker(
                Deliverer(
                    self.pool,
                    self.sessions,
                    sender=sender,
                    keys=self.keys,
                    schedule=schedule,
                    limits=limits,
                    lease_s=lease_s,
                    timeout_s=timeout_s,
                    counts=counts,
                )
            )
        finally:
            await sender.aclose()


@asynccontextmanager
async def open_bench(database_url: str) -> AsyncIterator[Bench]:
    engine = open_engine(database_url)
    pool = await open_pool(database_url)
    try:
        await pool.execute(
            "INSERT INTO channels (name, base_url, api_key_sealed) VALUES ('main', 'http://x', 'x')"
        )
        yield Bench(pool, open_sessions(engine), KeyRing.parse(new_secret_key()))
    finally:
        await pool.close()
        await engine.dispose()
