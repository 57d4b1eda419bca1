"""The worker's audit: one replica at a time, and each on one connection."""

import io
import json

import asyncpg
import pytest

from relay.database.engine import dsn, open_engine, open_sessions
from relay.worker.chores import AUDIT_LOCK, check_books

BROKEN = (
    "WITH opened AS (INSERT INTO accounts (quota_micros) VALUES (5) RETURNING id)"
    " INSERT INTO tenants (name, account_id) SELECT 't', id FROM opened"
)


async def audited(database_url: str, logged: io.StringIO) -> list[str]:
    """What a worker with a single connection says of the books."""
    engine = open_engine(database_url, connections=1)
    await check_books(open_sessions(engine))
    await engine.dispose()
    events = [json.loads(line)["event"] for line in logged.getvalue().splitlines()]
    return [event for event in events if event.startswith("audit.")]


@pytest.mark.parametrize(("rows", "said"), [("SELECT 1", []), (BROKEN, ["audit.differs"])])
async def test_an_audit_needs_one_connection(
    database_url: str, logged: io.StringIO, rows: str, said: list[str]
) -> None:
    """A process has few, and an audit of large books takes minutes."""
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute(rows)
    await connection.close()

    assert await audited(database_url, logged) == [*said, "audit.done"]


async def test_while_another_replica_audits_nothing_is_done(
    database_url: str, logged: io.StringIO
) -> None:
    """It has the lock until its audit ends; the next turn is this one's."""
    other = await asyncpg.connect(dsn(database_url))
    transaction = other.transaction()
    await transaction.start()
    await other.execute(f"SELECT pg_advisory_xact_lock({AUDIT_LOCK})")
    meanwhile = await audited(database_url, logged)
    await transaction.rollback()
    await other.close()

    assert meanwhile == []
    assert await audited(database_url, logged) == ["audit.done"]
