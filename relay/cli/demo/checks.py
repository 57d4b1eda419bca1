"""What must be true at the end of a demo, computed from the sandbox's log and not from our rows."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Row, text

from relay.cli.demo.stage import DemoTenant
from relay.cli.demo.story import ENDED, Played, Story
from relay.database.engine import Sessions
from relay.kling.codes import Code
from relay.ledger.invariants import AuditReport
from relay.settings import Settings
from relay.usage.audit import audit_all

QUOTA_REFUSAL = (Code.RESOURCE_PACK_USED_UP.http_status, Code.RESOURCE_PACK_USED_UP)
"""How Kling says that an account has not enough left (docs/kling-api.md 8)."""

CALLBACKS_MAX_S = 5.0
POLL_S = 0.05

TASKS = """
SELECT k.id, t.name AS tenant, k.endpoint, k.kling_id, k.injected_id,
       k.tenant_external_id, k.state, k.hold_micros, k.charged_micros,
       (SELECT count(*) FROM task_events e WHERE e.task_id = k.id AND e.kind = 'callback'
            AND e.detail LIKE k.state || '%') AS end_callbacks,
       (SELECT coalesce(array_agg(-e.amount_micros), '{}') FROM entries e
            WHERE e.task_id = k.id) AS charges
FROM tasks k JOIN tenants t ON t.id = k.tenant_id ORDER BY k.id
"""
ACCOUNTS = """
SELECT t.name AS tenant, a.quota_micros, a.held_micros
FROM accounts a JOIN tenants t ON t.account_id = a.id ORDER BY t.id
"""


class Books(msgspec.Struct, frozen=True):
    """What both sides wrote down: the relay's rows, and the sandbox's log."""

    tasks: Sequence[Row[Any]]
    accounts: Sequence[Row[Any]]
    audit: AuditReport
    kling: list[dict[str, Any]]
    """`accepted`, `ended` and `callback` events (`relay/sandbox/ledger.py`)."""


class Expectations:
    """Counts what held, and keeps a sentence for each that did not."""

    def __init__(self) -> None:
        self.count = 0
        self.failed: list[str] = []

    def equal(self, what: str, found: object, expected: object) -> None:
        self.count += 1
        if found != expected:
            self.failed.append(f"{what}: expected {expected!r}, found {found!r}")


async def read_books(sessions: Sessions, kling_log: Path) -> Books:
    async with sessions() as session:
        report = await audit_all(session)  # begins the transaction: all of it is one snapshot
        tasks = (await session.execute(text(TASKS))).all()
        accounts = (await session.execute(text(ACCOUNTS))).all()
    return Books(tasks=tasks, accounts=accounts, audit=report, kling=_read_log(kling_log))


async def wait_for_callbacks(kling_log: Path, played: list[Played]) -> None:
    """Wait until Kling's side has told each end as often as it meant to, for a limited time.

    Polls may be faster than callbacks. If some never come, the checks say so.
    """
    for _ in range(round(CALLBACKS_MAX_S / POLL_S)):
        if told_ends(_read_log(kling_log)) == _ends_to_tell(played):
            return
        await asyncio.sleep(POLL_S)


def told_ends(kling: list[dict[str, Any]]) -> list[str]:
    """List the tasks whose end was told by callback and taken, one item for each time."""
    callbacks = [entry for entry in kling if entry["event"] == "callback"]
    taken = [entry for entry in callbacks if entry["http_status"] == 200]  # noqa: PLR2004 (taken)
    return sorted(entry["task_id"] for entry in taken if entry["status"] in ENDED)


def check(story: Story, tenants: dict[str, DemoTenant], books: Books) -> Expectations:
    """Compare what the tenants saw, what the relay wrote and what the sandbox did."""
    expect, played, refused = Expectations(), story.played, story.refused
    rows = {row.kling_id: row for row in books.tasks}
    units = {e["task_id"]: e["units"] for e in books.kling if e["event"] == "ended"}
    for one in played:
        _check_answers(expect, one, units.get(one.task_id))
        if row := rows.get(one.task_id):
            _check_row(expect, one, row, units.get(one.task_id))
    _check_sandbox(expect, played, books)
    for account in books.accounts:
        own = [one for one in played if one.order.tenant == account.tenant]
        spent = sum(_charge_micros(units.get(one.task_id)) for one in own)
        opening = tenants[account.tenant].opening_micros
        expect.equal(f"quota of {account.tenant}", account.quota_micros, opening - spent)
        expect.equal(f"held of {account.tenant}", account.held_micros, 0)
        listed = [one.task_id for one in own if one.order.path == played[0].order.path]
        expect.equal(f"list of {account.tenant}", story.lists[account.tenant], listed[::-1])
    answer = (refused.http_status, refused.code)
    expect.equal("answer to the submit beyond the quota", answer, QUOTA_REFUSAL)
    expect.equal("differences that the audit found", books.audit.differences, [])
    expect.equal("the audit's verdict", books.audit.ok, expected=True)
    return expect


def _check_answers(expect: Expectations, one: Played, units: str | None) -> None:
    """Check what the tenant was told."""
    order, name = one.order, f"{one.order.endpoint} of {one.order.tenant}"
    expect.equal(f"answer to {name}", (one.http_status, one.code), (200, 0))
    info = {"external_task_id": order.external_task_id} if order.external_task_id else {}
    expect.equal(f"{name}, task_info of the create's reply", one.created.get("task_info"), info)
    expect.equal(f"{name}, status at the end", one.by_id.get("task_status"), order.ends)
    expect.equal(f"{name}, task_info at the end", one.by_id.get("task_info"), info)
    expect.equal(f"{name}, shown deduction", one.by_id.get("final_unit_deduction"), units)
    if order.external_task_id:
        expect.equal(f"{name}, asked by external id", one.by_external_id, one.by_id)
    is_video = one.video[4:8] == b"ftyp"  # how every mp4 begins
    expect.equal(f"{name}, its result is an mp4", is_video, order.ends == "succeed")


def _check_row(expect: Expectations, one: Played, row: Row[Any], units: str | None) -> None:
    """Check what the relay wrote down, and took."""
    order, charge = one.order, _charge_micros(units)
    is_success = order.ends == "succeed"
    name = f"task {row.id} ({row.endpoint} of {row.tenant})"
    expect.equal(f"{name}, what it is", (row.tenant, row.endpoint), (order.tenant, order.endpoint))
    expect.equal(f"{name}, external id", row.tenant_external_id, order.external_task_id)
    expect.equal(f"{name}, state", row.state, order.ends)
    expect.equal(f"{name}, Kling deducted", units is not None, is_success)
    expect.equal(f"{name}, charged", row.charged_micros, charge if is_success else None)
    expect.equal(f"{name}, entries of its charge", row.charges, [charge] if is_success else [])
    expect.equal(f"{name}, charge within its hold", 0 < row.hold_micros >= charge, expected=True)
    expect.equal(f"{name}, callbacks of its end", row.end_callbacks, order.end_callbacks)


def _check_sandbox(expect: Expectations, played: list[Played], books: Books) -> None:
    """Check that the sandbox knows the same tasks as the rows, no more and no fewer."""

    def of(event: str, *names: str) -> list[Any]:
        return sorted([e[n] for n in names] for e in books.kling if e["event"] == event)

    rows, ids = books.tasks, sorted(one.task_id for one in played)
    expect.equal("tasks in the rows", sorted(str(row.kling_id) for row in rows), ids)
    accepted = of("accepted", "task_id", "external_task_id")
    both_ids = sorted([row.kling_id, row.injected_id] for row in rows)
    expect.equal("tasks that Kling accepted, by its id and ours", accepted, both_ids)
    states = sorted([row.kling_id, row.state] for row in rows)
    expect.equal("tasks that Kling ended", of("ended", "task_id", "status"), states)
    expect.equal("ends that Kling told by callback", told_ends(books.kling), _ends_to_tell(played))


def _charge_micros(units: str | None) -> int:
    """Compute what a tenant at list price owes for Kling's deduction."""
    unit_micros, _ = Settings().unit_prices_micros
    return 0 if units is None else int(Decimal(units) * unit_micros)


def _ends_to_tell(played: list[Played]) -> list[str]:
    return sorted(one.task_id for one in played for _ in range(one.order.end_callbacks))


def _read_log(kling_log: Path) -> list[dict[str, Any]]:
    # The last line may still be in the making.
    return [json.loads(line) for line in kling_log.read_text().split("\n")[:-1]]
