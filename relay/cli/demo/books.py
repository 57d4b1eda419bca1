"""What the demo's two sides wrote down: the relay's rows, and the sandbox's log."""

import asyncio
import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.cli.demo.story import ENDED, Played
from relay.database.engine import Sessions
from relay.ledger.invariants import AuditReport, audit

Row = TypeVar("Row")

CALLBACKS_MAX_S = 5.0
POLL_S = 0.05

TASKS = """
SELECT k.id, t.name AS tenant, k.endpoint, k.kling_id, k.injected_id, k.tenant_external_id,
       k.state, k.hold_micros, k.charged_micros,
       (SELECT count(*) FROM task_events e WHERE e.task_id = k.id AND e.kind = 'callback'
            AND e.detail LIKE k.state || '%') AS end_callbacks,
       (SELECT coalesce(array_agg(-e.amount_micros), '{}') FROM entries e
            WHERE e.task_id = k.id) AS charges
FROM tasks k JOIN tenants t ON t.id = k.tenant_id ORDER BY k.id
"""
ACCOUNTS = """
SELECT t.name AS tenant, a.quota_micros, a.held_micros
FROM accounts a JOIN tenants t ON t.id = a.tenant_id ORDER BY t.id
"""


class TaskBook(msgspec.Struct, frozen=True):
    """A task's row with its entries and callbacks."""

    id: int
    tenant: str
    endpoint: str
    kling_id: str | None
    injected_id: str
    tenant_external_id: str | None
    state: str
    hold_micros: int
    charged_micros: int | None
    end_callbacks: int
    charges: list[int]


class AccountBook(msgspec.Struct, frozen=True):
    tenant: str
    quota_micros: int
    held_micros: int


class Books(msgspec.Struct, frozen=True):
    tasks: list[TaskBook]
    accounts: list[AccountBook]
    audit: AuditReport
    kling: list[dict[str, Any]]
    """The sandbox's log: `accepted`, `ended` and `callback` events (`relay/sandbox/ledger.py`)."""


async def read_books(sessions: Sessions, log_file: Path) -> Books:
    async with sessions() as session:
        report = await audit(session)  # begins the transaction: all of it is one snapshot
        return Books(
            tasks=await _rows(session, TASKS, TaskBook),
            accounts=await _rows(session, ACCOUNTS, AccountBook),
            audit=report,
            kling=read_log(log_file),
        )


async def wait_for_callbacks(log_file: Path, played: list[Played]) -> None:
    """Wait until Kling's side has told each end as often as it meant to, for a limited time.

    Polls may be faster than callbacks. If some never come, the checks say so.
    """
    wanted = sorted(one.task_id for one in played for _ in range(one.order.end_callbacks))
    for _ in range(round(CALLBACKS_MAX_S / POLL_S)):
        if sorted(told_ends(read_log(log_file))) == wanted:
            return
        await asyncio.sleep(POLL_S)


def told_ends(kling: list[dict[str, Any]]) -> list[str]:
    """List the tasks whose end was told by callback and taken, one item for each time."""
    return [
        entry["task_id"]
        for entry in kling
        if entry["event"] == "callback" and entry["status"] in ENDED and entry["http_status"] == 200  # noqa: PLR2004 (taken)
    ]


def read_log(log_file: Path) -> list[dict[str, Any]]:
    # The last line may still be in the making.
    return [json.loads(line) for line in log_file.read_text().split("\n")[:-1]]


async def _rows(session: AsyncSession, query: str, kind: type[Row]) -> list[Row]:
    rows = await session.execute(text(query))
    return [msgspec.convert(dict(row), kind) for row in rows.mappings()]
