"""What must be true at the end of a demo, computed from the sandbox's log and not from our rows."""

from decimal import Decimal
from typing import Any

from relay.cli.demo.books import Books, TaskBook, told_ends
from relay.cli.demo.story import Played, Story
from relay.cli.demo.tenants import DemoTenant
from relay.settings import Settings

QUOTA_REFUSAL = (429, 1102)
"""How Kling says that an account has not enough left (docs/kling-api.md 8)."""


class Expectations:
    """Counts what held, and keeps a sentence for each that did not."""

    def __init__(self) -> None:
        self.count = 0
        self.failed: list[str] = []

    def equal(self, what: str, found: object, expected: object) -> None:
        self.count += 1
        if found != expected:
            self.failed.append(f"{what}: expected {expected!r}, found {found!r}")


def check(
    expect: Expectations,
    *,
    story: Story,
    tenants: dict[str, DemoTenant],
    books: Books,
) -> None:
    """Compare what the tenants saw, what the relay wrote and what the sandbox did."""
    played, refused = story.played, story.refused
    rows = {row.task_id: row for row in books.tasks}
    units = {e["task_id"]: e["units"] for e in books.kling if e["event"] == "ended"}
    for one in played:
        _check_answers(expect, one, units.get(one.task_id))
        if row := rows.get(one.task_id):
            _check_row(expect, one, row, units.get(one.task_id))
    _check_sandbox(expect, played, books)
    for account in books.accounts:
        own = [one for one in played if one.order.tenant == account.tenant]
        spent = sum(charge_micros(units.get(one.task_id)) for one in own)
        opening = tenants[account.tenant].opening_micros
        expect.equal(f"quota of {account.tenant}", account.quota_micros, opening - spent)
        expect.equal(f"held of {account.tenant}", account.held_micros, 0)
        listed = [one.task_id for one in own if one.order.path == played[0].order.path]
        expect.equal(f"list of {account.tenant}", story.lists[account.tenant], listed[::-1])
    expect.equal(
        "answer to the submit beyond the quota",
        (refused.http_status, refused.code),
        QUOTA_REFUSAL,
    )
    expect.equal("differences that the audit found", books.audit.differences, [])
    expect.equal("the audit's verdict", books.audit.ok, expected=True)


def charge_micros(units: str | None) -> int:
    """What a tenant at list price owes for Kling's deduction."""
    unit_micros, _ = Settings().unit_prices_micros
    return 0 if units is None else int(Decimal(units) * unit_micros)


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


def _check_row(expect: Expectations, one: Played, row: TaskBook, units: str | None) -> None:
    """Check what the relay wrote down, and took."""
    order, charge = one.order, charge_micros(units)
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

    rows = books.tasks
    expect.equal("tasks in the rows", sorted(str(r.task_id) for r in rows), sorted(_ids(played)))
    expect.equal(
        "tasks that Kling accepted, by its id and ours",
        of("accepted", "task_id", "external_task_id"),
        sorted([r.task_id, r.external_id] for r in rows),
    )
    expect.equal(
        "tasks that Kling ended",
        of("ended", "task_id", "status"),
        sorted([r.task_id, r.state] for r in rows),
    )
    expect.equal(
        "ends that Kling told by callback",
        sorted(told_ends(books.kling)),
        sorted(one.task_id for one in played for _ in range(one.order.end_callbacks)),
    )


def _ids(played: list[Played]) -> list[str]:
    return [one.task_id for one in played]
