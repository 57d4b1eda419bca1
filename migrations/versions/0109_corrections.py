"""An entry of kind `correction`, and what it came to beside its task's charge.

A task that an unsigned callback ended is compared with Kling's own full reply; what differs is one
further entry.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0109"
down_revision: str | None = "0108"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KINDS = (
    "CASE kind WHEN 'topup' THEN amount_micros > 0 AND reference IS NOT NULL"
    " WHEN 'adjust' THEN amount_micros <> 0 AND reason IS NOT NULL"
    " WHEN 'charge' THEN amount_micros <= 0 AND task_id IS NOT NULL"
    " WHEN 'refund' THEN amount_micros >= 0 AND task_id IS NOT NULL AND reason IS NOT NULL"
)
CORRECTION = " WHEN 'correction' THEN task_id IS NOT NULL"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tasks", sa.Column("corrected_micros", sa.BigInteger(), nullable=True))
    _set_kinds(KINDS + CORRECTION)
    op.create_index(
        "entries_one_correction",
        "entries",
        ["task_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'correction'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("entries_one_correction", table_name="entries")
    _set_kinds(KINDS)
    op.drop_column("tasks", "corrected_micros")


def _set_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("entries_kind_fits"), "entries")
    op.create_check_constraint(op.f("entries_kind_fits"), "entries", f"{kinds} ELSE false END")
