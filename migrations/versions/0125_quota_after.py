"""Entries keep the quota after them, top-ups their kind, accounts the moment of their last entry.

Entries are final, so those of before, and those that code of before writes while an upgrade is
rolled out, have none of it: the quota after them is the sum of the entries up to them, and they are
top-ups of what was sold, which is what a top-up was. All columns are nullable, and are added at
once; the check of amounts is new, and reads `entries` once, which holds up charges meanwhile: about
half a second for a million rows.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0125"
down_revision: str | None = "0124"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # what it writes names no kind of a top-up, which the check allows

BEFORE = "amount_micros > 0 AND reference IS NOT NULL"
AFTER = (
    "(amount_micros > 0 OR amount_micros < 0 AND topup_kind IS NOT DISTINCT FROM 'correction')"
    " AND reference IS NOT NULL"
)
KINDS = (
    "CASE kind WHEN 'topup' THEN {topup}"
    " WHEN 'adjust' THEN amount_micros <> 0 AND reason IS NOT NULL"
    " WHEN 'charge' THEN amount_micros <= 0 AND task_id IS NOT NULL"
    " WHEN 'refund' THEN amount_micros >= 0 AND task_id IS NOT NULL AND reason IS NOT NULL"
    " WHEN 'correction' THEN task_id IS NOT NULL ELSE false END"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("entries", sa.Column("topup_kind", sa.Text(), nullable=True))
    op.add_column("entries", sa.Column("quota_after_micros", sa.BigInteger(), nullable=True))
    op.add_column("accounts", sa.Column("last_entry_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("entries_kind_fits"), "entries")
    op.create_check_constraint(op.f("entries_kind_fits"), "entries", KINDS.format(topup=AFTER))
    op.create_check_constraint(
        op.f("entries_topup_kind_known"),
        "entries",
        "topup_kind IS NULL OR kind = 'topup' AND topup_kind IN ('paid', 'bonus', 'correction')",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("entries_topup_kind_known"), "entries")
    op.drop_constraint(op.f("entries_kind_fits"), "entries")
    op.drop_column("accounts", "last_entry_at")
    op.drop_column("entries", "quota_after_micros")
    op.drop_column("entries", "topup_kind")
    op.create_check_constraint(op.f("entries_kind_fits"), "entries", KINDS.format(topup=BEFORE))
