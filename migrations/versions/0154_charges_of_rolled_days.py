"""Days that are summed up say what was charged in them too, as statements have it.

Who was charged most is read of an index, not of all lines. A day of before says nothing of it, and one that the previous version rolls meanwhile neither: such
days have the first form, which is read by none, and are summed up anew.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0154"
down_revision: str | None = "0153"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # what it rolls has a form that nobody takes for more than it is


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "rolled_days",
        sa.Column("form", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
    )
    for name in ("charge_entries", "charge_micros"):
        op.add_column(
            "rolled_usage",
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        )
    op.create_index(
        op.f("rolled_usage_account_id_day_id_idx"), "rolled_usage", ["account_id", "day_id"]
    )
    op.create_index(
        "rolled_usage_by_tenant",
        "rolled_usage",
        ["day_id", "tenant_id"],
        postgresql_include=["charged_micros"],
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("rolled_usage_by_tenant", table_name="rolled_usage")
    op.drop_index(op.f("rolled_usage_account_id_day_id_idx"), table_name="rolled_usage")
    for name in ("charge_entries", "charge_micros"):
        op.drop_column("rolled_usage", name)
    op.drop_column("rolled_days", "form")
