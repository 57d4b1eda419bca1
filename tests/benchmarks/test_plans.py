"""Every hot statement at a million rows: by its index, without a sort of many, in few pages.

What is hot is judged by `tests/tasks/test_hot_statements.py`.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn, open_pool
from relay.database.line import connector
from tests.benchmarks.plan_rows import fill
from tests.benchmarks.plan_samples import BATCHED, POOLED
from tests.benchmarks.plan_sessions import CALLS, statements_of
from tests.benchmarks.plans import Sample, explained, faults
from tests.waiting import PATIENCE_S

KEPT_FROM = 6
"""The run from which Postgres may keep a plan for all values."""


@pytest.fixture(scope="module")
async def url(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """The million rows."""
    name = "plans"
    connection = await asyncpg.connect(dsn(postgres_server.url("postgres")))
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await fill(postgres_server.url(name))
    yield postgres_server.url(name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def batchers(url: str) -> AsyncIterator[Any]:
    """A connection as batchers open theirs."""
    connection = await connector(dsn(url))(durable=True)
    yield connection
    await connection.close()


@pytest.fixture
async def pools(url: str) -> AsyncIterator[Any]:
    """A connection of the pool."""
    pool = await open_pool(url)
    async with pool.begin() as connection:
        yield connection
    await pool.close()


async def test_batched_statements_stay_small_at_a_million_rows(batchers: Any) -> None:
    """Each part of them too, with rows that it finds something by."""
    found = {
        name: faults(await explained(batchers, sample), sample) for name, sample in BATCHED.items()
    }

    assert found == {name: [] for name in BATCHED}


async def test_pooled_statements_stay_small_at_a_million_rows(pools: Any) -> None:
    """Of tenants with a hundred thousand tasks, a thousand and a hundred."""
    found = {
        name: faults(await explained(pools, sample), sample) for name, sample in POOLED.items()
    }

    assert found == {name: [] for name in POOLED}


@pytest.mark.parametrize("name", CALLS)
async def test_sessions_stay_small_at_a_million_rows(url: str, name: str) -> None:
    """What SQLAlchemy makes of them, also once Postgres may keep a plan for all values."""
    ran = await statements_of(url, CALLS[name])

    connection = await asyncpg.connect(dsn(url))
    found = {
        sample.statement: faults(await explained(connection, sample, runs=KEPT_FROM), sample)
        for sample in ran
    }
    await connection.close()

    assert found
    assert not any(found.values()), found


def without(constraint: str) -> str:
    return f"ALTER TABLE {constraint.partition('_')[0]} DROP CONSTRAINT {constraint} CASCADE"


UNINDEXED = [
    ("HOLD", without("accounts_pkey")),
    ("HOLD of a duplicate", "DROP INDEX tasks_tenant_external_id"),
    ("FREE_KEY", "DROP INDEX tasks_create_key"),
    ("JOIN_UNHEARD", "DROP INDEX tasks_unheard"),
    ("MARK_UNHEARD", without("tasks_pkey")),
    ("seek.FIND_PENDING in vain", "DROP INDEX tasks_open"),
    ("FINISH", without("tasks_pkey")),
    ("FINISH", without("accounts_pkey")),
    ("FINISH", "DROP INDEX deliveries_due_of_task, deliveries_task_id_idx"),
    ("FINISH late", "DROP INDEX tasks_tenant_external_id"),
    ("RECORD", "DROP INDEX deliveries_due_of_task, deliveries_task_id_idx"),
    ("MOVE_CHANNEL", without("tasks_pkey")),
    ("READ by Kling's id", "DROP INDEX tasks_kling_key"),
    ("READ by the tenant's", "DROP INDEX tasks_tenant_external_id"),
    ("CLAIM_REFRESH", without("tasks_pkey")),
    ("FIND by our id", without("tasks_injected_id_key")),
    ("FIND by Kling's", "DROP INDEX tasks_kling_key"),
    ("FIND_TOKENS by access key", without("tokens_access_key_key")),
    ("FIND_TOKENS by API key", without("tokens_api_key_hash_key")),
    ("FIND_TOKENS in vain", without("tokens_access_key_key")),
    ("FIND_TOKENS by API key", without("tenants_pkey")),
    ("LIST", "DROP INDEX tasks_listed"),
    ("LIST of a tenant of a thousand", "DROP INDEX tasks_listed"),
    ("CLAIM_DUE", "DROP INDEX tasks_due"),
    ("PUT_OFF", without("tasks_pkey")),
    ("deliveries.CLAIM", "DROP INDEX deliveries_lanes"),
    ("deliveries.CLAIM", "DROP INDEX deliveries_due_of_task, deliveries_task_id_idx"),
    ("deliveries.COMPLETE", without("deliveries_pkey")),
    (
        "deliveries.COMPLETE to be tried again",
        "DROP INDEX deliveries_due_of_task, deliveries_task_id_idx",
    ),
    ("FINISH_FOLLOWED", without("tasks_pkey")),
    ("outbox.CLAIM", "DROP INDEX outbox_due"),
    ("outbox.CLAIM", "DROP INDEX outbox_of_task"),
    ("outbox.COMPLETE", without("outbox_pkey")),
    ("outbox.PUT_OFF", without("outbox_pkey")),
    ("outbox.READ", "DROP INDEX outbox_in_order"),
    ("owners.FIND", "DROP INDEX owners_key"),
    ("owners.DELETE", "DROP INDEX owners_key"),
    ("account.TOTALS", "DROP INDEX entries_of_account"),
    ("snapshot.OPEN", "DROP INDEX tasks_open"),
    ("snapshot.LATE_LOOKS", "DROP INDEX tasks_due"),
    ("snapshot.FLAGGED", "DROP INDEX tasks_flagged"),
    ("snapshot.DUE", "DROP INDEX deliveries_lanes, deliveries_due_of_task"),
    ("snapshot.DEAD", "DROP INDEX deliveries_dead"),
    ("snapshot.BUT_CHARGES", "DROP INDEX entries_but_charges"),
    ("account.LINES of a small tenant", "DROP INDEX entries_of_account"),
]
REWRITTEN = [
    ("LIST", ".id DESC", ".created_at DESC"),
    ("LIST of a tenant of a thousand", ".id DESC", ".created_at DESC"),
    ("COUNT_CHANGES", "c.number", "c.number, (SELECT count(*) FROM tasks) AS tasks"),
    ("READ by Kling's id", "kling_id = n.key", "lower(kling_id) = n.key"),
    ("HOLD of a duplicate", "o.tenant_external_id =", "o.tenant_external_id || '' ="),
    ("FINISH", "task_id = ANY (ARRAY(", "task_id + 0 = ANY (ARRAY("),
    ("FINISH late", "o.tenant_external_id =", "o.tenant_external_id || '' ="),
    ("CLAIM_DUE", "ORDER BY next_look_at", "ORDER BY created_at"),
    ("seek.FIND_PENDING in vain", "t.state =", "t.state || '' ="),
    ("outbox.CLAIM", "ORDER BY next_attempt_at LIMIT", "ORDER BY created_at LIMIT"),
    ("outbox.READ", "ORDER BY o.xact, o.id", "ORDER BY o.id"),
    ("FIND_TOKENS by access key", "access_key = n.access_key", "access_key || '' = n.access_key"),
    ("owners.FIND", "resource_id = ANY", "resource_id || '' = ANY"),
]


async def found_in(url: str, name: str, sample: Sample, *, seeded: str = "SELECT") -> list[str]:
    """What a sample reads or sorts too much, on the connection that is its own."""
    if name in BATCHED:
        connection = await connector(dsn(url))(durable=True)
        plan = await explained(connection, sample, seeded=seeded)
        await connection.close()
    else:
        # What is seeded to be slow may be slower than a relay lets a statement be.
        pool = await open_pool(url, statement_timeout_s=PATIENCE_S)
        async with pool.begin() as connection:
            plan = await explained(connection, sample, seeded=seeded)
        await pool.close()
    return [one for one in faults(plan, sample) if not one.startswith(("returned", "wrote"))]


@pytest.mark.parametrize(("name", "seeded"), UNINDEXED)
async def test_a_missing_index_is_found(url: str, name: str, seeded: str) -> None:
    """Each statement's own one."""
    found = await found_in(url, name, (BATCHED | POOLED)[name], seeded=seeded)

    assert found


@pytest.mark.parametrize(("name", "right", "wrong"), REWRITTEN)
async def test_a_statement_that_cannot_use_its_index_is_found(
    url: str, name: str, right: str, wrong: str
) -> None:
    sample = (BATCHED | POOLED)[name]
    statement = sample.statement.replace(right, wrong)
    assert statement != sample.statement

    found = await found_in(url, name, replace(sample, statement=statement))

    assert found
