"""Until when, from where and for what tokens and tenants are let in, and what tokens are called."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0137"
down_revision: str | None = "0136"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LISTS = ("addresses", "endpoints", "models")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tokens", sa.Column("name", sa.Text(), nullable=True))
    for table in ("tokens", "tenants"):
        op.add_column(table, sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        for column in LISTS:
            op.add_column(table, sa.Column(column, postgresql.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("tenants", "tokens"):
        for column in (*LISTS, "expires_at"):
            op.drop_column(table, column)
    op.drop_column("tokens", "name")
