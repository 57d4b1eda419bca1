"""The database that plans are judged in: `plan_rows.sql` says what is in it."""

from pathlib import Path
from typing import Any

import asyncpg

from relay.database.engine import dsn
from tests.benchmarks.servers import ENDED, kling_says

FILL = Path(__file__).with_suffix(".sql")
FILL_TIMEOUT_S = 300.0
LARGE = (
    *("delivery_attempts", "deliveries", "task_events", "entries", "owners", "outbox", "tasks"),
    *("accounts", "tenants", "tokens", "webhook_secrets"),
)
"""Tables that may not be scanned."""
MILLION = LARGE[:7]
"""Those that hang on tasks, each before the one that it hangs on."""
# Rows are right by the way they are made, so no foreign key is looked up for each of them.
AS_RESTORED = {
    "session_replication_role": "replica",
    "synchronous_commit": "off",
    "maintenance_work_mem": "256MB",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",  # the other core has tests of its own
    "jit": "off",
    # Nor is what lies in memory read ahead by processes of their own.
    "effective_io_concurrency": "0",
    "maintenance_io_concurrency": "0",
}
# Rows first, indexes of all of them afterwards: as a restored dump, and as fast.
REST = "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = $1::regclass"


async def fill(url: str, *, quote: str = "{}") -> None:
    """Fill a database that the migrations built and nobody else uses; `quote`: of each task."""
    connection = await asyncpg.connect(
        dsn(url), command_timeout=FILL_TIMEOUT_S, server_settings=AS_RESTORED
    )
    try:
        await _fill(connection, quote)
    finally:
        await connection.close()


async def _fill(connection: Any, quote: str) -> None:
    reply = kling_says("TASK", "succeed", rest=ENDED)
    await connection.execute("SELECT set_config('fill.reply', $1, false)", reply)
    await connection.execute("SELECT set_config('fill.quote', $1, false)", quote)
    for table in LARGE:
        # Else it is analyzed anew in the midst of the tests, and waits for a lock or is waited for.
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    # They reference tasks and entries.
    for table in (
        "queue",
        "invoice_items",
        "codes",
        "assets",
        "storage_refunds",
        "storage_charges",
    ):
        await connection.execute(f"ALTER TABLE {table} SET UNLOGGED")
    for table in MILLION:
        await connection.execute(f"ALTER TABLE {table} SET UNLOGGED")  # a log of it helps nobody
        await connection.execute(REST, table)
    for statement in FILL.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            await connection.execute(statement)
    for table in MILLION:
        await connection.execute(f"REINDEX TABLE {table}")
    for table in ("tasks", "deliveries", "outbox", "tokens", "tenants"):
        await connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
        )
    await connection.execute("VACUUM ANALYZE")
