"""Closed months of accounts, and up to when an account is closed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0127"
down_revision: str | None = "0126"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it writes no row of the new table, which alone has the trigger

TIME = sa.DateTime(timezone=True)
MICROS = (
    *("opening_micros", "paid_micros", "bonus_micros", "topup_correction_micros"),
    *("charge_micros", "refund_micros", "correction_micros", "adjust_micros", "closing_micros"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("accounts", sa.Column("closed_until", TIME, nullable=True))
    op.create_table(
        "closed_months",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("start_at", TIME, nullable=False),
        sa.Column("until_at", TIME, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in MICROS),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("entries_sha256", sa.Text(), nullable=False),
        sa.Column("closed_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("start_at < until_at", name=op.f("closed_months_begins_before_it_ends")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("closed_months_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", "month", name=op.f("closed_months_pkey")),
    )
    op.execute(
        "CREATE TRIGGER closed_months_are_final BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON closed_months FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("closed_months")
    op.drop_column("accounts", "closed_until")
