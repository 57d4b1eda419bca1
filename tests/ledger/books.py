"""The books of a test's database, recomputed and held against the sandbox's own ledger."""

from relay.database.engine import open_engine, open_sessions
from relay.ledger.invariants import AuditReport, audit
from relay.sandbox.app import Sandbox


async def audit_books(database_url: str) -> AuditReport:
    engine = open_engine(database_url, connections=1)
    try:
        async with open_sessions(engine)() as session:
            return await audit(session)
    finally:
        await engine.dispose()


def accepted_ids(sandbox: Sandbox | None) -> list[str]:
    """The ids of the tasks that this Kling made, from its own ledger."""
    assert sandbox is not None
    return [str(entry["task_id"]) for entry in sandbox.ledger.of("accepted")]


def creates_seen(sandbox: Sandbox | None) -> int:
    """How many creates reached this Kling, refused ones too."""
    assert sandbox is not None
    return sum(entry["method"] == "POST" for entry in sandbox.requests.entries)


def queries_seen(sandbox: Sandbox | None) -> int:
    """How many questions about single tasks reached this Kling."""
    assert sandbox is not None
    return sum(entry["method"] == "GET" for entry in sandbox.requests.entries)
