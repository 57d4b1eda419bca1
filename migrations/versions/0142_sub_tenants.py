"""Tenants of tenants: whose they are, at how many times its prices, and by which token."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0142"
down_revision: str | None = "0141"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it knows none of the columns, and opens tenants without them


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("parent_id", sa.BigInteger(), nullable=True))
    op.add_column("tenants", sa.Column("resale", sa.Numeric(12, 6), nullable=True))
    op.add_column("tenants", sa.Column("made_by_id", sa.BigInteger(), nullable=True))
    for column, table in (("parent_id", "tenants"), ("made_by_id", "tokens")):
        name = op.f(f"tenants_{column}_fkey")
        op.create_foreign_key(name, "tenants", table, [column], ["id"])
    op.create_check_constraint(
        op.f("tenants_resale_is_a_childs"),
        "tenants",
        "(parent_id IS NULL) = (resale IS NULL) AND (parent_id IS NOT NULL OR made_by_id IS NULL)",
    )
    op.create_check_constraint(op.f("tenants_resale_at_least_1"), "tenants", "resale >= 1")
    op.create_index(op.f("tenants_parent_id_idx"), "tenants", ["parent_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f("tenants_parent_id_idx"), table_name="tenants")
    op.drop_constraint(op.f("tenants_resale_at_least_1"), "tenants", type_="check")
    op.drop_constraint(op.f("tenants_resale_is_a_childs"), "tenants", type_="check")
    for column in ("made_by_id", "resale", "parent_id"):
        op.drop_column("tenants", column)
