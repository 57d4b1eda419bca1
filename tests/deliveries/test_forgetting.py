"""What is forgotten by age, and what is not."""

from relay.worker.chores import forget_raw
from relay.worker.forget_old import forget_old
from tests.deliveries.bench import AGES, Bench
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


async def test_what_would_grow_for_ever_is_forgotten_by_age(
    bench: Bench, server: TenantServer
) -> None:
    """Ended deliveries with their attempts, events without a body, owners of what Kling forgot.

    Of each one is a day too old and one a day too young; what is due, and what does not expire,
    stays however old it is.
    """
    tenant = await bench.add_tenant()
    task = await bench.add_task(tenant, server.url())
    old, young, due = [await bench.tell(task) for _ in range(3)]
    for number, days in ((old, 91), (young, 89)):
        await bench.pool.execute(
            "UPDATE deliveries SET state = 'delivered',"
            " ended_at = now() - $2 * interval '1 day' WHERE id = $1",
            number,
            days,
        )
    await bench.pool.execute(
        "INSERT INTO delivery_attempts (delivery_id, number) SELECT id, 1 FROM deliveries"
    )
    for days in (366, 364):
        await bench.pool.execute(
            "INSERT INTO task_events (task_id, kind, detail, created_at)"
            " VALUES ($1, 'old', $2::int::text, now() - $2 * interval '1 day')",
            task,
            days,
        )
        await bench.pool.execute(
            "INSERT INTO run_events (run_id, tenant_id, shown, created_at)"
            " VALUES ($1, 1, '{}', now() - $1::bigint * interval '1 day')",
            days,
        )
    for name, expires in (("a", "-31"), ("b", "-29"), ("c", None)):
        await bench.pool.execute(
            "INSERT INTO owners (kind, resource_id, channel_id, tenant_id, expires_at)"
            " SELECT 'video', $1, id, $2, now() + $3::text::int * interval '1 day' FROM channels",
            name,
            tenant,
            expires,
        )

    await forget_old(bench.sessions, AGES)

    left = [
        [row[0] for row in await bench.pool.fetch(query)]
        for query in (
            "SELECT id FROM deliveries ORDER BY id",
            "SELECT delivery_id FROM delivery_attempts ORDER BY 1",
            "SELECT detail FROM task_events WHERE kind = 'old'",
            "SELECT run_id FROM run_events",
            "SELECT resource_id FROM owners ORDER BY 1",
        )
    ]
    assert left == [[young, due], [young, due], ["364"], [364], ["b", "c"]]


async def test_callers_addresses_are_forgotten_by_age(bench: Bench) -> None:
    """Of 1,500 tasks: up to the first that is younger than 90 days; the next pass goes on there.

    One that is old and stands behind a young one waits for it; nothing is looked at again.
    """
    tenant = await bench.add_tenant()
    tasks = await bench.add_tasks(tenant, "https://acme.test/hook", 1500)
    young = tasks[1200]
    await bench.pool.execute(
        "UPDATE tasks SET caller_address = '203.0.113.7',"
        " created_at = now() - CASE id WHEN $1 THEN 89 ELSE 91 END * interval '1 day'",
        young,
    )

    left = []
    for _ in range(2):
        await forget_old(bench.sessions, AGES)
        left.append(
            await bench.pool.fetchval(
                "SELECT array_agg(id ORDER BY id) FROM tasks WHERE caller_address IS NOT NULL"
            )
        )
        await bench.pool.execute(
            "UPDATE tasks SET created_at = created_at - interval '2 days' WHERE id = $1", young
        )

    assert left == [tasks[1200:], None]
    reached = "SELECT up_to FROM addresses_forgotten"
    assert await bench.pool.fetchval(reached) == tasks[-1]


SHOWN, SEALED = "https://acme.test/hook?***", "https://acme.test/hook?*** k1:sealed"
URLS = {
    # days since the task ended, and since each of its deliveries did: None if it has not
    "over": (31, (31, 40)),
    "told lately": (31, (31, 29)),
    "still told": (31, (31, None)),
    "ended lately": (29, (31,)),
    "alive": (None, (31,)),
}


async def test_a_sealed_url_is_forgotten_once_nothing_may_be_sent_to_it(bench: Bench) -> None:
    """30 days after its task ended and after its last delivery; until then each row keeps it."""
    tenant = await bench.add_tenant()
    tasks = dict(zip(URLS, await bench.add_tasks(tenant, SEALED, len(URLS)), strict=True))
    for name, (task_days, deliveries) in URLS.items():
        await bench.pool.execute(
            "UPDATE tasks SET hold_ended_at = now() - $2::int * interval '1 day',"
            " state = CASE WHEN $2::int IS NULL THEN state ELSE 'failed' END WHERE id = $1",
            *(tasks[name], task_days),
        )
        for days in deliveries:
            await bench.pool.execute(
                "UPDATE deliveries SET ended_at = now() - $2::int * interval '1 day',"
                " state = CASE WHEN $2::int IS NULL THEN 'due' ELSE 'delivered' END WHERE id = $1",
                *(await bench.tell(tasks[name]), days),
            )

    await forget_old(bench.sessions, AGES)

    for name, task in tasks.items():
        kept = await bench.pool.fetch(
            "SELECT callback_url AS url FROM tasks WHERE id = $1"
            " UNION SELECT url FROM deliveries WHERE task_id = $1",
            task,
        )
        assert [row["url"] for row in kept] == [SHOWN if name == "over" else SEALED], name
