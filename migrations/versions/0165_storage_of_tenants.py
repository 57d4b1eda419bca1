"""What a GB-month costs one tenant; and what was given back of a month of files."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0165"
down_revision: str | None = "0164"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("asset_gb_month_micros", sa.BigInteger(), nullable=True))
    op.create_table(
        "storage_refunds",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("storage_refunds_entry_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "month"],
            ["storage_charges.tenant_id", "storage_charges.month"],
            name=op.f("storage_refunds_tenant_id_month_fkey"),
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("storage_refunds_pkey")),
    )
    op.create_index(
        op.f("storage_refunds_tenant_id_month_idx"), "storage_refunds", ["tenant_id", "month"]
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("storage_refunds")
    op.drop_column("tenants", "asset_gb_month_micros")
