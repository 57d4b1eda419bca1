"""Attempts are kept as long as raw callbacks are."""

from relay.worker.chores import forget_raw
from tests.deliveries.bench import Bench
from tests.deliveries.tenant_server import TenantServer


async def test_old_attempts_are_forgotten_and_their_deliveries_kept(
    bench: Bench, server: TenantServer
) -> None:
    """Of 2,500 attempts, those older than 30 days go; the rows say what became of them."""
    tenant = await bench.add_tenant()
    old = await bench.tell_all(await bench.add_tasks(tenant, server.url(), 2500))
    await bench.pool.execute(
        "INSERT INTO delivery_attempts (delivery_id, number, at)"
        " SELECT id, 1, now() - interval '31 days' FROM deliveries"
    )
    new = await bench.tell(await bench.add_task(tenant, server.url()))
    await bench.pool.execute(
        "INSERT INTO delivery_attempts (delivery_id, number, at)"
        " VALUES ($1, 1, now() - interval '29 days')",
        new,
    )

    await forget_raw(bench.sessions, days=30)

    left = await bench.pool.fetch("SELECT delivery_id FROM delivery_attempts")
    assert [row["delivery_id"] for row in left] == [new]
    assert await bench.pool.fetchval("SELECT count(*) FROM deliveries") == len(old) + 1
