"""What files a tenant kept on which day, and what a month of it was charged."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0158"
down_revision: str | None = "0157"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "asset_days",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("gb_month_micros", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("bytes >= 0", name=op.f("asset_days_bytes_not_negative")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("asset_days_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day", name=op.f("asset_days_pkey")),
    )
    op.create_table(
        "storage_charges",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("gb_months", sa.Numeric(20, 6), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_micros >= 0", name=op.f("storage_charges_is_a_charge")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("storage_charges_tenant_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("storage_charges_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("storage_charges_entry_id_fkey")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "month", name=op.f("storage_charges_pkey")),
        sa.UniqueConstraint("entry_id", name=op.f("storage_charges_entry_id_key")),
    )
    op.create_index(op.f("storage_charges_account_id_idx"), "storage_charges", ["account_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("storage_charges")
    op.drop_table("asset_days")
