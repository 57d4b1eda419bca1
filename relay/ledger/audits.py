"""What audits found, kept: when the books were last recomputed, and whether they were right."""

from datetime import datetime

import msgspec
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.ledger.invariants import AuditReport
from relay.ledger.tables import Audit

KEPT_DAYS = 365


class LastAudit(msgspec.Struct, frozen=True):
    """What the newest one found."""

    read_at: datetime
    """When its snapshot was taken."""
    differences: int
    drift_micros: int


async def note_audit(session: AsyncSession, report: AuditReport, *, actor: str) -> None:
    """Keep what an audit found, and forget those of long ago; in a transaction after its own."""
    session.add(
        Audit(
            read_at=report.read_at,
            differences=len(report.differences),
            drift_micros=report.drift_micros,
            accounts=report.accounts,
            tasks=report.tasks,
            entries=report.entries,
            actor=actor,
        )
    )
    await session.execute(
        delete(Audit).where(Audit.read_at < func.now() - text(f"interval '{KEPT_DAYS} days'"))
    )


async def find_last_audit(session: AsyncSession) -> LastAudit | None:
    """Find the newest; None if the books were never audited."""
    row = await session.scalar(select(Audit).order_by(Audit.read_at.desc()).limit(1))
    return LastAudit(row.read_at, row.differences, row.drift_micros) if row else None
