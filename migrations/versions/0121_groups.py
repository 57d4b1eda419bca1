"""Groups: which channels serve whom; keys for tests, whose tasks are free."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0121"
down_revision: str | None = "0120"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in ("groups", "models"):
        op.add_column(
            "channels",
            sa.Column(column, postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        )
    for table in ("tenants", "tokens"):
        op.add_column(table, sa.Column("groups", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column(
        "tokens",
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("tokens", "is_test")
    for table in ("tokens", "tenants"):
        op.drop_column(table, "groups")
    for column in ("models", "groups"):
        op.drop_column("channels", column)
