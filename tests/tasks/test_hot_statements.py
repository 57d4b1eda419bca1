"""Every statement that runs per request or per look has an index to go by, at 20,000 rows."""

from typing import Any

import asyncpg
import pytest

from relay.callbacks.receive import FIND
from relay.database.batch import connector
from relay.database.engine import dsn
from relay.proxy.query import LIST
from relay.tasks.look import CLAIM_DUE, END_LOOKS, PUT_OFF
from relay.tasks.record import RECORD
from relay.tasks.statements import CLAIM_REFRESH, FINISH, HOLD, MOVE_CHANNEL, READ

# A tenth is refused and so has no id of Kling's for ever, a fiftieth lives.
FILL = """
    INSERT INTO tenants (name) SELECT 'tenant ' || n FROM generate_series(1, 100) n;
    INSERT INTO accounts (tenant_id) SELECT id FROM tenants;
    INSERT INTO tokens (tenant_id, api_key_hash, api_key_hint)
        SELECT id, sha256(name::bytea), 'hint' FROM tenants;
    INSERT INTO channels (name, base_url, api_key_sealed) VALUES ('main', 'http://kling', 'sealed');
    INSERT INTO tasks (tenant_id, token_id, channel_id, endpoint, state, task_id, external_id,
        tenant_external_id, request_id, quote, hold_micros, submit_deadline_at, hold_ended_at,
        charged_micros, next_look_at)
    SELECT 1 + n % 100, 1 + n % 100, 1, 'text2video', state,
           CASE WHEN state <> 'refused' THEN 'k' || n END, 'e' || n, 'mine' || n, 'r' || n, '{}',
           420000, now(), CASE WHEN state <> 'processing' THEN now() END,
           CASE WHEN state = 'succeed' THEN 1 END,
           CASE WHEN state = 'processing' THEN now() + n * interval '1 second' END
    FROM (
        SELECT n, CASE WHEN n % 50 = 0 THEN 'processing' WHEN n % 10 = 3 THEN 'refused'
                  ELSE 'succeed' END AS state
        FROM generate_series(1, 20000) n
    ) made;
    INSERT INTO owners (kind, resource_id, channel_id, tenant_id, task_id)
        SELECT 'video', external_id, channel_id, tenant_id, id FROM tasks;
    ANALYZE;
"""

BATCHED = {
    "HOLD": (HOLD, {"accounts_pkey"}),
    "FINISH": (FINISH, {"tasks_pkey"}),
    "RECORD": (RECORD, {"tasks_pkey"}),
    "MOVE_CHANNEL": (MOVE_CHANNEL, {"tasks_pkey"}),
    "READ": (READ, {"tasks_kling_key", "tasks_tenant_external_id"}),
    "CLAIM_REFRESH": (CLAIM_REFRESH, {"tasks_pkey"}),
    "FIND": (FIND, {"tasks_external_id_key", "tasks_kling_key"}),
}
POOLED = {
    "LIST": (LIST, {"tasks_list", "owners_deleted"}),
    "CLAIM_DUE": (CLAIM_DUE, {"tasks_due"}),
    "PUT_OFF": (PUT_OFF, {"tasks_pkey"}),
    "END_LOOKS": (END_LOOKS, {"tasks_pkey"}),
}


@pytest.fixture
async def filled_url(database_url: str) -> str:
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute(FILL)
    await connection.close()
    return database_url


async def plan_of(connection: Any, statement: str) -> str:
    """The plan as it is kept for any parameters, which is how prepared statements end up."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    prepared = await connection.prepare(statement)
    places = ", ".join("NULL" for _ in prepared.get_parameters())
    types = ", ".join(parameter.name for parameter in prepared.get_parameters())
    await connection.execute(f"PREPARE asked ({types}) AS {statement}")
    rows = await connection.fetch(f"EXPLAIN EXECUTE asked ({places})")
    return "\n".join(row[0] for row in rows)


async def test_statements_go_by_their_indexes(filled_url: str) -> None:
    """With the settings of their own connections, and no scan of all tasks in any plan."""
    batcher = await connector(dsn(filled_url))(durable=True)
    pooled = await asyncpg.connect(dsn(filled_url))

    plans = {}
    for connection, statements in ((batcher, BATCHED), (pooled, POOLED)):
        for name, (statement, _) in statements.items():
            plans[name] = await plan_of(connection, statement)
            await connection.execute("DEALLOCATE asked")
        await connection.close()

    for name, (_, indexes) in (BATCHED | POOLED).items():
        assert "Seq Scan on tasks" not in plans[name], plans[name]
        assert "Seq Scan on accounts" not in plans[name], plans[name]
        for index in indexes:
            assert index in plans[name], plans[name]
