"""The books recomputed from their parts, in one snapshot beside live traffic (promise M3).

`audit` reads only. Each rule is a query that returns the rows that break it.
"""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.ledger.figures import CLOSED_THAT_DIFFER
from relay.money import RESOLD

DIFFERENCES_MAX = 100
"""Named per rule; a broken rule is as broken with more of them."""


SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""What an audit's transaction begins with; said again in it, it changes nothing."""


class Rule(NamedTuple):
    """One invariant: `query` returns (row, expected, actual) for what breaks it."""

    name: str
    query: str
    is_money: bool = True
    """Whether what is expected and found are micros: their difference is what the books are off."""


WHOSE = """SELECT account_id, string_agg(name, ', ' ORDER BY id) AS names FROM tenants
            GROUP BY account_id"""
"""Accounts by the names of those who draw on them, as a person knows them."""
KEPT = """CASE WHEN k.hold_ended_at IS NULL THEN k.hold_micros
                       ELSE coalesce(k.charged_micros, 0) - k.refunded_micros END"""

RULES = (
    Rule(
        "quota is the sum of the account's entries",
        f"""
        SELECT 'account of tenant ' || coalesce(t.names, 'nobody'),
               coalesce(sum(e.amount_micros), 0), a.quota_micros
        FROM accounts a LEFT JOIN ({WHOSE}) t ON t.account_id = a.id
        LEFT JOIN entries e ON e.account_id = a.id
        GROUP BY t.names, a.id, a.quota_micros
        HAVING a.quota_micros <> coalesce(sum(e.amount_micros), 0)
        """,  # noqa: S608 (composed of constants)
    ),
    Rule(
        "the quota after an entry is the sum of the entries up to it",
        """
        SELECT 'entry ' || id, sum, quota_after_micros
        FROM (
            SELECT id, quota_after_micros,
                   sum(amount_micros) OVER (PARTITION BY account_id ORDER BY id)
            FROM entries
        ) e
        WHERE quota_after_micros <> sum
        """,
    ),
    Rule(
        "an account's quota is the one after its newest entry",
        f"""
        SELECT 'account of tenant ' || coalesce(t.names, 'nobody'), e.quota_after_micros,
               a.quota_micros
        FROM accounts a LEFT JOIN ({WHOSE}) t ON t.account_id = a.id
        CROSS JOIN LATERAL (
            SELECT quota_after_micros FROM entries
            WHERE account_id = a.id ORDER BY id DESC LIMIT 1
        ) e
        WHERE e.quota_after_micros <> a.quota_micros
        """,  # noqa: S608 (composed of constants)
        is_money=False,  # what it is off by, the rules before it have counted
    ),
    Rule(
        # Those without a quota after them were made before there was one, by the clock alone.
        "no entry says an earlier moment than one before it",
        """
        SELECT 'entry ' || id, NULL, NULL
        FROM (
            SELECT id, created_at, max(created_at) FILTER (WHERE quota_after_micros IS NOT NULL)
                OVER (PARTITION BY account_id ORDER BY id) AS latest_at
            FROM entries WHERE quota_after_micros IS NOT NULL
        ) e
        WHERE created_at < latest_at
        """,
        is_money=False,
    ),
    Rule(
        "a closed month is what its entries come to",
        CLOSED_THAT_DIFFER,
        is_money=False,  # what it is off by, the rules before it have counted
    ),
    Rule(
        "what was redeemed of a code is one top-up, of its amount",
        """
        SELECT 'code ' || c.id, c.amount_micros, e.amount_micros
        FROM codes c JOIN code_batches b ON b.id = c.batch_id JOIN entries e ON e.id = c.entry_id
        WHERE e.kind <> 'topup' OR e.amount_micros <> c.amount_micros
            OR e.reference <> 'code ' || b.name || ' ' || c.id
        """,
        is_money=False,  # it moves no quota: its entry does
    ),
    Rule(
        "what was given back of a month of kept files was charged for it",
        """
        SELECT 'files of tenant ' || s.tenant_id || ' in ' || s.month, s.amount_micros,
               sum(e.amount_micros)
        FROM storage_refunds b
        JOIN storage_charges s ON s.tenant_id = b.tenant_id AND s.month = b.month
        JOIN entries e ON e.id = b.entry_id
        GROUP BY s.tenant_id, s.month
        HAVING sum(e.amount_micros) > s.amount_micros
            OR bool_or(e.kind <> 'adjust' OR e.account_id <> s.account_id
                OR e.reference IS DISTINCT FROM 'storage ' || s.month OR e.amount_micros < 1)
        """,
        is_money=False,  # as above
    ),
    Rule(
        "an invoice is of what it covers",
        """
        SELECT 'invoice ' || v.id, coalesce(sum(i.amount_micros), 0), v.amount_micros
        FROM invoices v LEFT JOIN invoice_items i ON i.invoice_id = v.id
        GROUP BY v.id HAVING v.amount_micros <> coalesce(sum(i.amount_micros), 0)
        """,
        is_money=False,  # it moves no quota
    ),
    Rule(
        "what an invoice covers is its account's, paid or charged, and of that amount",
        """
        SELECT 'invoice ' || i.invoice_id, coalesce(e.amount_micros, c.charged_micros),
               i.amount_micros
        FROM invoice_items i JOIN invoices v ON v.id = i.invoice_id
        LEFT JOIN entries e ON e.id = i.entry_id
        LEFT JOIN (
            SELECT m.account_id, m.month, -(m.charge_micros + m.refund_micros
                + m.correction_micros + coalesce(sum(k.amount_micros), 0)) AS charged_micros
            FROM closed_months m
            LEFT JOIN (
                SELECT account_id, entry_id FROM storage_charges
                UNION ALL
                SELECT o.account_id, b.entry_id FROM storage_refunds b
                JOIN storage_charges o ON o.tenant_id = b.tenant_id AND o.month = b.month
            ) s ON s.account_id = m.account_id
            LEFT JOIN entries k ON k.id = s.entry_id
                AND k.created_at >= m.start_at AND k.created_at < m.until_at
            GROUP BY m.account_id, m.month
        ) c ON c.account_id = i.account_id AND c.month = i.month
        WHERE v.account_id <> i.account_id OR v.month IS DISTINCT FROM i.month
            OR e.id IS NOT NULL AND (e.account_id <> i.account_id OR e.kind <> 'topup'
                OR e.topup_kind = 'bonus' OR e.amount_micros <> i.amount_micros)
            OR c.month IS NOT NULL AND i.amount_micros <> c.charged_micros
        """,
        is_money=False,
    ),
    Rule(
        "what a month of kept files was charged is one adjustment, of its amount",
        """
        SELECT 'files of tenant ' || s.tenant_id || ' in ' || s.month, s.amount_micros,
               -e.amount_micros
        FROM storage_charges s LEFT JOIN entries e ON e.id = s.entry_id
        WHERE coalesce(-e.amount_micros, 0) <> s.amount_micros
            OR e.kind <> 'adjust' OR e.account_id <> s.account_id
            OR e.reference IS DISTINCT FROM 'storage ' || s.month AND e.id IS NOT NULL
        """,
        is_money=False,  # it moves no quota: its entry does
    ),
    Rule(
        "held is the sum of the account's open holds",
        f"""
        SELECT 'account of tenant ' || coalesce(t.names, 'nobody'),
               coalesce(sum(k.hold_micros), 0), a.held_micros
        FROM accounts a LEFT JOIN ({WHOSE}) t ON t.account_id = a.id
        LEFT JOIN tasks k ON k.account_id = a.id AND k.hold_ended_at IS NULL
        GROUP BY t.names, a.id, a.held_micros
        HAVING a.held_micros <> coalesce(sum(k.hold_micros), 0)
        """,  # noqa: S608 (composed of constants)
    ),
    Rule(
        "open_holds counts the account's open holds",
        f"""
        SELECT 'account of tenant ' || coalesce(t.names, 'nobody'),
               count(k.id), a.open_holds
        FROM accounts a LEFT JOIN ({WHOSE}) t ON t.account_id = a.id
        LEFT JOIN tasks k ON k.account_id = a.id AND k.hold_ended_at IS NULL
        GROUP BY t.names, a.id, a.open_holds
        HAVING a.open_holds <> count(k.id)
        """,  # noqa: S608 (composed of constants)
        is_money=False,
    ),
    Rule(
        # Of a sub-tenant's own limits, at its own prices.
        "a limit's count is what the tasks of its window come to",
        f"""
        SELECT 'limit ' || l.id || ' (' || l.kind || ')',
               l.taken_before
                   + CASE l.kind WHEN 'in_flight' THEN coalesce(t.open, 0)
                     ELSE coalesce(t.micros, 0) END,
               l.taken
        FROM limits l LEFT JOIN (
            SELECT w.id, w.start_at, count(*) FILTER (WHERE k.hold_ended_at IS NULL) AS open,
                   sum(CASE WHEN o.tenant_id = k.tenant_id
                       THEN {RESOLD.format(micros=KEPT, task="k")}
                       ELSE {KEPT} END) AS micros
            FROM tasks k CROSS JOIN LATERAL unnest(k.limit_ids, k.limit_starts) AS w (id, start_at)
            JOIN limits o ON o.id = w.id
            WHERE k.limit_ids IS NOT NULL
            GROUP BY w.id, w.start_at
        ) t USING (id, start_at)
        WHERE l.kind NOT IN ('task', 'rate') AND l.taken <> l.taken_before
            + CASE l.kind WHEN 'in_flight' THEN coalesce(t.open, 0) ELSE coalesce(t.micros, 0) END
        """,  # noqa: S608 (composed of constants)
        is_money=False,  # of what may be spent, not of what was
    ),
    Rule(
        "each task draws on an account that there is",
        """
        SELECT 'task ' || k.id, NULL, k.account_id
        FROM tasks k LEFT JOIN accounts a ON a.id = k.account_id
        WHERE a.id IS NULL
        """,
        is_money=False,
    ),
    Rule(
        "each success has exactly one charge, of what the task says",
        """
        SELECT 'task ' || k.id, k.charged_micros,
               -(e.amount_micros + coalesce(c.amount_micros, 0))
        FROM tasks k LEFT JOIN entries e ON e.task_id = k.id AND e.kind = 'charge'
        LEFT JOIN entries c ON c.task_id = k.id AND c.kind = 'correction'
        WHERE k.state = 'succeed'
            AND (e.id IS NULL OR e.account_id <> k.account_id
                 OR e.amount_micros + coalesce(c.amount_micros, 0) <> -k.charged_micros)
        """,
    ),
    Rule(
        "nothing but a success is charged",
        """
        SELECT 'task ' || k.id || ' (' || k.state || ')', 0,
               -(e.amount_micros + coalesce(c.amount_micros, 0))
        FROM entries e JOIN tasks k ON k.id = e.task_id
        LEFT JOIN entries c ON c.task_id = k.id AND c.kind = 'correction'
        WHERE e.kind = 'charge' AND k.state <> 'succeed'
            AND (c.id IS NULL OR e.amount_micros + c.amount_micros <> 0)
        """,
    ),
    Rule(
        "what a task says was corrected is its one correction, on the account of its charge",
        """
        SELECT 'task ' || k.id, k.corrected_micros, c.amount_micros
        FROM tasks k FULL JOIN (SELECT * FROM entries WHERE kind = 'correction') c
            ON c.task_id = k.id
        WHERE c.amount_micros IS DISTINCT FROM k.corrected_micros
            OR c.account_id <> k.account_id
        """,
    ),
    Rule(
        "a charge is at most the hold",
        """
        SELECT 'task ' || id, hold_micros, charged_micros FROM tasks
        WHERE charged_micros > hold_micros
        """,
    ),
    Rule(
        "no task is charged twice",
        """
        SELECT 'task ' || task_id, 1, count(*) FROM entries
        WHERE kind = 'charge' GROUP BY task_id HAVING count(*) > 1
        """,
        is_money=False,
    ),
    Rule(
        "what a task says was refunded is the sum of its refunds",
        """
        SELECT 'task ' || k.id, coalesce(r.refunded_micros, 0), k.refunded_micros
        FROM tasks k LEFT JOIN (
            SELECT task_id, sum(amount_micros) AS refunded_micros FROM entries
            WHERE kind = 'refund' GROUP BY task_id
        ) r ON r.task_id = k.id
        WHERE k.refunded_micros <> coalesce(r.refunded_micros, 0)
        """,
    ),
    Rule(
        "refunds are at most the charge",
        """
        SELECT 'task ' || id, coalesce(charged_micros, 0), refunded_micros FROM tasks
        WHERE refunded_micros > coalesce(charged_micros, 0)
        """,
    ),
    Rule(
        "a refund goes to the account that was charged",
        """
        SELECT 'task ' || k.id, k.account_id, r.account_id
        FROM entries r JOIN tasks k ON k.id = r.task_id
        WHERE r.kind = 'refund' AND r.account_id <> k.account_id
        """,
        is_money=False,
    ),
    Rule(
        "no ended task has an open hold, and every live one has",
        """
        SELECT 'task ' || id || ' (' || state || ')', NULL, hold_micros FROM tasks
        WHERE (hold_ended_at IS NULL)
            <> (state IN ('queued', 'pending', 'unknown', 'submitted', 'processing'))
        """,
    ),
    Rule(
        "what waits for room has its body in the queue",
        """
        SELECT 'task ' || id, 1, 0 FROM tasks
        WHERE state = 'queued' AND NOT EXISTS (SELECT FROM queue WHERE task_id = tasks.id)
        """,
        is_money=False,
    ),
)


class Difference(msgspec.Struct, frozen=True):
    """One row that breaks a rule; amounts in micros, counts where the rule counts."""

    rule: str
    row: str
    expected: int | None
    actual: int | None


class AuditReport(msgspec.Struct, frozen=True):
    ok: bool
    read_at: datetime
    """When its snapshot was taken, by the database's clock."""
    drift_micros: int
    """What the rows below are off by, in all; of those that are about money."""
    accounts: int
    tasks: int
    entries: int
    differences: list[Difference]


async def audit(session: AsyncSession) -> AuditReport:
    """Recompute the books.

    Begins the session's transaction with `SNAPSHOT`, so call it first in a session.
    """
    await session.execute(text(SNAPSHOT))
    read_at = await session.scalar(text("SELECT now()"))
    assert isinstance(read_at, datetime), "it has a clock"
    differences: list[Difference] = []
    drift_micros = 0
    for rule in RULES:
        rows = await session.execute(text(f"{rule.query} LIMIT {DIFFERENCES_MAX}"))
        found = [
            Difference(rule=rule.name, row=row[0], expected=_whole(row[1]), actual=_whole(row[2]))
            for row in rows
        ]
        differences += found
        if rule.is_money:
            drift_micros += sum(abs((one.actual or 0) - (one.expected or 0)) for one in found)
    counts = await session.execute(
        text(
            "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM tasks),"
            " (SELECT count(*) FROM entries)"
        )
    )
    accounts, tasks, entries = counts.one()
    return AuditReport(
        ok=not differences,
        read_at=read_at,
        drift_micros=drift_micros,
        accounts=accounts,
        tasks=tasks,
        entries=entries,
        differences=differences,
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
