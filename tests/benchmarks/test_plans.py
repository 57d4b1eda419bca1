"""Every hot statement at many rows: by its index, without a sort of them, in few pages.

At 30,000 rows in every run of the tests, at a million with `-m soak`.
"""

import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from relay.callbacks.receive import FIND
from relay.database.batch import connector
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from relay.proxy.query import LIST
from relay.tasks.look import CLAIM_DUE, END_LOOKS, PUT_OFF
from relay.tasks.record import RECORD
from relay.tasks.statements import (
    CLAIM_REFRESH,
    FINISH,
    HOLD,
    MOVE_CHANNEL,
    READ,
    ChannelRow,
    ClaimRow,
    HoldRow,
    ReadRow,
)
from relay.tenants.authenticate import COUNT_CHANGES, FIND_TOKENS
from tests.benchmarks.books import Books, quote_of_clip
from tests.relay_app import CLIP_MICROS
from tests.tasks.told import told_success

SIZES = [30_000, pytest.param(1_000_000, marks=pytest.mark.soak)]
PAGES_MAX = 200
"""Of 8 KB, for one row in a statement; the smaller table has 4,000."""
SORTED_MAX = 30
"""Rows of one page of a list. What is sorted counts, and not the first few that are passed on."""
LARGE = ("tasks", "entries", "task_events", "accounts", "tokens")
ID, LEASE = 10_001, uuid.UUID(int=1)
# One task that lives and is due, in the midst of a million that ended.
REVIVE = f"""
UPDATE accounts SET held_micros = held_micros + {CLIP_MICROS}, open_holds = open_holds + 1
WHERE tenant_id = (SELECT tenant_id FROM tasks WHERE id = {ID});
ALTER TABLE entries DISABLE TRIGGER USER;
DELETE FROM entries WHERE task_id = {ID};
UPDATE tasks SET state = 'processing', hold_ended_at = NULL, charged_micros = NULL,
    ended_at = NULL, next_look_at = now(), look_lease = '{LEASE}',
    refresh_at = now() - interval '1 minute'
WHERE id = {ID};
VACUUM ANALYZE tasks;
"""
HELD = HoldRow(
    tenant_id=1,
    token_id=1,
    channel_id=1,
    endpoint="text2video",
    tenant_external_id="mine",
    callback_url=None,
    request_id="r",
    quote=quote_of_clip(),
    hold_micros=CLIP_MICROS,
    deadline_s=90.0,
    random="0123456789abcdef",
)
FINISHED = told_success(ID, "old-10001")
BATCHED: dict[str, tuple[str, tuple[object, ...]]] = {
    "HOLD": (HOLD, HELD),
    "FINISH": (FINISH, FINISHED),
    "RECORD": (RECORD, FINISHED._replace(state="processing")),
    "MOVE_CHANNEL": (MOVE_CHANNEL, ChannelRow(ID, 1, "full")),
    "READ": (READ, ReadRow(1, "old-1000")),
    "CLAIM_REFRESH": (CLAIM_REFRESH, ClaimRow(ID, 3.0)),
    "FIND": (FIND, ("old-1000-0123456789abcdef", 1, "old-1000")),
    "FIND_TOKENS": (FIND_TOKENS, ("nobody", b"nothing")),
    "COUNT_CHANGES": (COUNT_CHANGES, (0,)),
}
POOLED: dict[str, tuple[str, tuple[object, ...]]] = {
    "LIST": (LIST, (1, "text2video", 30, 0, False)),
    "CLAIM_DUE": (CLAIM_DUE, (20,)),
    "PUT_OFF": (PUT_OFF, (ID, LEASE, 3.0, False)),
    "END_LOOKS": (END_LOOKS, (ID, LEASE)),
}


@pytest.fixture(scope="module", params=SIZES)
async def large_url(
    request: pytest.FixtureRequest, postgres_server: EmbeddedPostgres
) -> AsyncIterator[str]:
    """A database with so many tasks, all but one of them ended, and nearly all charged."""
    books = Books(postgres_server)
    await books.create_base("plans_base", channel_url="http://kling")
    await books.grow("plans_base", "plans", rows=request.param)
    connection = await asyncpg.connect(dsn(books.url("plans")), command_timeout=300)
    for statement in filter(str.strip, REVIVE.split(";")):
        await connection.execute(statement)
    await connection.close()
    yield books.url("plans")
    await books.drop("plans")
    await books.drop("plans_base")


async def explained(connection: Any, statement: str, values: list[object]) -> Any:
    """The plan of one run, which is rolled back."""
    types = [kind.name for kind in (await connection.prepare(statement)).get_parameters()]
    literals = [
        await connection.fetchval("SELECT quote_nullable($1::text)", _spelled(value))
        for value in values
    ]
    shown = ", ".join(f"{one}::{kind}" for one, kind in zip(literals, types, strict=True))
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"PREPARE asked AS {statement}")
        row = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) EXECUTE asked ({shown})"
        )
    finally:
        await transaction.rollback()
        await connection.execute("DEALLOCATE asked")
    return json.loads(row)[0]["Plan"]


def _spelled(value: object) -> str | None:
    """As Postgres reads it: one-row batches are arrays of one."""
    if isinstance(value, list):
        (one,) = value
        text = _spelled(one)
        if text is None:
            return "{NULL}"
        escaped = re.sub(r'(["\\])', r"\\\1", text)
        return f'{{"{escaped}"}}'
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return None if value is None else str(value)


def nodes(plan: Any) -> list[Any]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


def faults(plan: Any) -> list[str]:
    """What must not be: a scan of all rows, a sort of many, many pages."""
    found = []
    for node in nodes(plan):
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            found.append(f"Seq Scan on {node['Relation Name']}")
        if node["Node Type"] == "Sort":
            (rows,) = (child["Actual Rows"] * child["Actual Loops"] for child in node["Plans"])
            if rows > SORTED_MAX:
                found.append(f"Sort of {rows} rows by {node['Sort Key']}")
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if pages > PAGES_MAX:
        found.append(f"{pages} pages")
    return found


async def test_batched_statements_stay_small_at_many_rows(large_url: str) -> None:
    """With the settings of the batcher's own connections."""
    connection = await connector(dsn(large_url))(durable=True)

    found = {
        name: faults(await explained(connection, statement, [[value] for value in values]))
        for name, (statement, values) in BATCHED.items()
    }
    await connection.close()

    assert found == {name: [] for name in BATCHED}


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
async def test_pooled_statements_stay_small_at_many_rows(large_url: str, mode: str) -> None:
    """Whichever plan Postgres settles on for a prepared statement."""
    connection = await asyncpg.connect(dsn(large_url))
    await connection.execute(f"SET plan_cache_mode = {mode}")

    found = {
        name: faults(await explained(connection, statement, list(values)))
        for name, (statement, values) in POOLED.items()
    }
    await connection.close()

    assert found == {name: [] for name in POOLED}


async def test_a_scan_or_sort_of_all_rows_is_found(large_url: str) -> None:
    """The check can fail."""
    connection = await asyncpg.connect(dsn(large_url))

    scan = "SELECT count(*) FROM tasks WHERE hold_micros < $1"
    scanned = faults(await explained(connection, scan, [0]))
    sort = "SELECT id FROM tasks WHERE id < $1 ORDER BY hold_micros LIMIT 1"
    sorted_rows = faults(await explained(connection, sort, [2000]))
    await connection.close()

    assert any("pages" in fault for fault in scanned)
    assert any(fault.startswith("Sort of 1999") for fault in sorted_rows)
