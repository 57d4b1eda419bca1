"""Hot statements whose plans know nothing: made while there is no row, or without statistics.

A batcher's plan is made at its first row, which on a fresh deployment is the first task ever, and
is kept. One tenant then has every task there is, so whatever goes by the tenant reads them all.
"""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from relay.callbacks.receive import FIND
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import PLANNED_ANEW, dsn
from relay.database.ids import AccountId, TaskId, TenantId
from relay.database.line import connector
from relay.database.opener import Opener
from relay.tasks.finish import FINISH, FINISH_FOLLOWED
from relay.tasks.look import CLAIM_DUE
from relay.tasks.outbox import CLAIM
from relay.tasks.record import RECORD, RECORD_FOLLOWED
from relay.tasks.statements import (
    CLAIM_REFRESH,
    HOLD,
    MOVE_CHANNEL,
    READ,
    ChannelRow,
    ClaimRow,
    HoldRow,
    ReadRow,
)
from relay.tenants.authenticate import FIND_TOKENS
from relay.tenants.remembered import COUNT_CHANGES
from tests.benchmarks.plans import nodes, pages_of, touched
from tests.clones import cloned
from tests.relay_app import CLIP_MICROS
from tests.tasks.told import told_success

PAGES_MAX, ROWS_MAX = 400, 5
"""Of 8 KB, and of one node, for one row; all 20,000 tasks are on 1,000 pages."""
ID, PENDING = 10_050, 10_051
ACCOUNT = 2001
UNTOLD = (
    *("tasks", "accounts", "entries", "task_events", "deliveries", "owners", "tokens", "outbox"),
)
"""Tables of which the planner is told nothing during the test."""
BASE = f"""
    INSERT INTO accounts (id, quota_micros, held_micros, open_holds)
        VALUES ({ACCOUNT}, {1000 * CLIP_MICROS}, {400 * CLIP_MICROS}, 400);
    INSERT INTO tenants (name, account_id) VALUES ('only', {ACCOUNT});
    INSERT INTO tokens (tenant_id, api_key_hash, api_key_hint) VALUES (1, 'hash', 'hint');
    INSERT INTO channels (name, base_url, api_key_sealed) VALUES ('main', 'http://kling', 'sealed');
"""
# A tenth is refused, a fiftieth lives, one task is due, and what it told last is not delivered.
FILL = f"""
    INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state, kling_id,
        injected_id, tenant_external_id, callback_url, request_id, quote, hold_micros,
        submit_deadline_at, hold_ended_at, charged_micros, next_look_at, refresh_at, follows)
    SELECT 1, {ACCOUNT}, 1, 1, 'text2video', state,
           CASE WHEN state NOT IN ('refused', 'pending') THEN 'k' || n END, 'e' || n,
           'mine' || n, 'http://tenant', 'r' || n, '{{}}', {CLIP_MICROS}, now() + interval '1 h',
           CASE WHEN state NOT IN ('processing', 'pending') THEN now() END,
           CASE WHEN state = 'succeed' THEN 1 END,
           CASE WHEN n = {ID} THEN now() WHEN state = 'processing' THEN now() + interval '1 h' END,
           now() - interval '1 minute', '{{one}}'
    FROM (
        SELECT n, CASE WHEN n = {PENDING} THEN 'pending' WHEN n % 50 = 0 THEN 'processing'
                  WHEN n % 10 = 3 THEN 'refused' ELSE 'succeed' END AS state
        FROM generate_series(1, 20000) n
    ) made;
    INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state)
    SELECT id, 1, callback_url, state, '{{}}', CASE WHEN id = {ID} THEN 'due' ELSE 'delivered' END
    FROM tasks;
    INSERT INTO outbox (task_id, follower, state, done_at)
    SELECT id, 'one', state, CASE WHEN id <> {ID} THEN now() END FROM tasks
    UNION ALL
    SELECT id, 'two', state, NULL FROM tasks;
    INSERT INTO owners (kind, resource_id, channel_id, tenant_id, task_id)
    SELECT 'video', 'made-' || id, 1, 1, id FROM tasks;
    INSERT INTO tokens (tenant_id, access_key, secret_key_sealed, api_key_hash)
    SELECT 1, 'a' || n, 'sealed', sha256(('key' || n)::bytea) FROM generate_series(1, 20000) n;
"""
HELD = HoldRow(
    tenant_id=TenantId(1),
    account_id=AccountId(ACCOUNT),
    token_id=1,
    channel_id=1,
    endpoint="text2video",
    tenant_external_id=f"mine{ID}",
    callback_url=None,
    request_id="r",
    model="kling-v3",
    pack="video",
    quote="{}",
    hold_micros=CLIP_MICROS,
    deadline_s=90.0,
    random="0123456789abcdef",
)
FINISHED = told_success(ID, f"k{ID}", made='[{"kind":"video","id":"v1"}]')._replace(
    delivery_body="{}"
)
BATCHED: dict[str, tuple[str, tuple[object, ...], int]] = {
    "read_by_klings_id": (READ, ReadRow(TenantId(1), f"k{ID}"), 1),
    "read_by_the_tenants_id": (READ, ReadRow(TenantId(1), f"mine{ID}"), 1),
    "read_in_vain": (READ, ReadRow(TenantId(1), "nothing"), 0),
    "find_by_our_id": (FIND, (f"e{ID}", 1, None), 1),
    "find_by_klings_id": (FIND, ("nothing", 1, f"k{ID}"), 1),
    "hold": (HOLD, HELD._replace(tenant_external_id="new"), 1),
    "hold_of_a_duplicate": (HOLD, HELD, 1),
    "finish": (FINISH, FINISHED, 1),
    "record": (RECORD, FINISHED._replace(state="processing"), 1),
    "finish_followed": (FINISH_FOLLOWED, FINISHED, 1),
    "record_followed": (RECORD_FOLLOWED, FINISHED._replace(state="processing"), 1),
    "move_channel": (MOVE_CHANNEL, ChannelRow(TaskId(PENDING), 1, "full"), 1),
    "count_changes": (COUNT_CHANGES, (0,), 1),
    "claim_refresh": (CLAIM_REFRESH, ClaimRow(TaskId(ID), 3.0), 1),
}
"""Statement, its one row, and how many records it returns."""
ON_LINES = {name: statement for name, (statement, _, _) in BATCHED.items()} | {
    "find_tokens": FIND_TOKENS,
    "walk": "SELECT sum(hold_micros) FROM tasks WHERE tenant_id = ANY ($1::bigint[])",
}
CLAIMS: dict[str, tuple[str, list[object]]] = {
    "looks": (CLAIM_DUE, [20]),
    "followers": (CLAIM, [20, "one", 20]),
}
TOKENS: dict[str, tuple[object, ...]] = {
    "by_access_key": ("a10050", None),
    "by_api_key": (None, sha256(b"key10050").digest()),
}


async def prepare(connection: Any, name: str, statement: str) -> list[str]:
    """Let Postgres plan it now, for whatever values; returns its parameters' types."""
    await connection.execute(f"PREPARE {name} AS {statement}")
    types = [kind.name for kind in (await connection.prepare(statement)).get_parameters()]
    await connection.execute(f"EXPLAIN EXECUTE {name} ({', '.join('NULL' for _ in types)})")
    return types


async def run(connection: Any, name: str, types: list[str], values: list[object]) -> Any:
    """The plan as it went, rolled back."""
    spelled = [
        await connection.fetchval(f"SELECT quote_nullable(($1::{kind})::text)", value)
        for kind, value in zip(types, values, strict=True)
    ]
    asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) EXECUTE {name} ({', '.join(spelled)})"
    transaction = connection.transaction()
    await transaction.start()
    try:
        return json.loads(await connection.fetchval(asked))[0]["Plan"]
    finally:
        await transaction.rollback()


def excess(plan: Any) -> list[str]:
    """What goes with the number of rows that there are."""
    rows = max(touched(node) for node in nodes(plan))
    found = [f"{rows} rows"] if rows > ROWS_MAX else []
    return found + ([f"{pages_of(plan)} pages"] if pages_of(plan) > PAGES_MAX else [])


async def lay_base(url: str) -> None:
    """One tenant without a task, in tables that nobody will ever analyze."""
    connection = await asyncpg.connect(url)
    for table in UNTOLD:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    await connection.execute(BASE)
    await connection.close()


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    analyzed = await connection.fetchval("SELECT count(*) FROM pg_stats WHERE tablename = 'tasks'")
    await connection.close()
    assert analyzed == 0, "the planner knows the table"


class Planned:
    """Connections that have planned all there is to run, and know nothing of 20,000 tasks."""

    def __init__(self, batcher: Any, pools: dict[str, Any]) -> None:
        self.batcher = batcher
        self.pools = pools
        """One for each claim."""
        self._types: dict[str, list[str]] = {}

    async def prepare(self) -> None:
        for name, statement in ON_LINES.items():
            self._types[name] = await prepare(self.batcher, name, statement)
        for name, connection in self.pools.items():
            self._types[name] = await prepare(connection, name, CLAIMS[name][0])

    async def run(self, name: str, values: list[object]) -> Any:
        connection = self.pools.get(name, self.batcher)
        return await run(connection, name, self._types[name], values)


@pytest.fixture(scope="module", params=[True, False], ids=["while_empty", "while_unknown"])
async def planned(
    request: pytest.FixtureRequest, postgres_server: EmbeddedPostgres, template: str
) -> AsyncIterator[Planned]:
    """Planned before the first task, or behind 20,000 that were not analyzed."""
    async with cloned(postgres_server, template) as made:
        url = dsn(made)
        await lay_base(url)
        if not request.param:
            await fill(url)
        opener = Opener(url)
        planned = Planned(
            await connector(url)(durable=False),
            {
                name: await opener.open(statement_timeout_s=None, settings=PLANNED_ANEW)
                for name in CLAIMS
            },
        )
        await planned.prepare()
        if request.param:
            await fill(url)
        yield planned
        for connection in (planned.batcher, *planned.pools.values()):
            await connection.close()


async def test_a_plan_that_knows_nothing_still_goes_by_the_index(planned: Planned) -> None:
    """Few pages each."""
    plans = {
        name: await planned.run(name, [[value] for value in values])
        for name, (_, values, _) in BATCHED.items()
    }

    assert {name: plan["Actual Rows"] for name, plan in plans.items()} == {
        name: records for name, (_, _, records) in BATCHED.items()
    }
    assert {name: excess(plan) for name, plan in plans.items()} == {name: [] for name in plans}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_the_workers_claims_go_by_what_is_due(planned: Planned, claim: str) -> None:
    """On the pool, which keeps no plan: one task, and one move of a follower's, of 20,000."""
    _, values = CLAIMS[claim]

    # From the sixth time on, Postgres would keep a plan by itself.
    plan = [await planned.run(claim, values) for _ in range(7)][-1]

    assert plan["Actual Rows"] == 1
    assert excess(plan) == []


@pytest.mark.parametrize("key", TOKENS)
async def test_a_token_is_found_by_its_index_though_there_were_none(
    planned: Planned, key: str
) -> None:
    """One of 20,000."""
    plan = await planned.run("find_tokens", [[value] for value in TOKENS[key]])

    assert plan["Actual Rows"] == 1
    assert excess(plan) == []


async def test_a_walk_over_all_tasks_of_the_tenant_is_seen(planned: Planned) -> None:
    """By any plan it takes more pages than are allowed: the check can fail."""
    assert excess(await planned.run("walk", [[1]]))
