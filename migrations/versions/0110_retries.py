"""Creates that are sent again: their keys, and the marks of those whose answer nobody heard.

Its columns are empty but for what is rare, and so are both indexes. The previous version's code goes
on: it writes none of them.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0110"
down_revision: str | None = "0109"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tasks", sa.Column("create_key", sa.Text(), nullable=True))
    op.add_column("tasks", sa.Column("fingerprint", sa.LargeBinary(), nullable=True))
    op.add_column("tasks", sa.Column("unheard_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "tasks_create_key",
        "tasks",
        ["token_id", "create_key"],
        unique=True,
        postgresql_where="create_key IS NOT NULL AND state <> 'refused'",
    )
    op.create_index(
        "tasks_unheard",
        "tasks",
        ["token_id", "fingerprint"],
        unique=False,
        postgresql_where="unheard_at IS NOT NULL",
    )
    op.add_column("accounts", sa.Column("unheard_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "tenants",
        sa.Column("joins_retries", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("tenants", "joins_retries")
    op.drop_column("accounts", "unheard_until")
    op.drop_index("tasks_unheard", table_name="tasks")
    op.drop_index("tasks_create_key", table_name="tasks")
    op.drop_column("tasks", "unheard_at")
    op.drop_column("tasks", "fingerprint")
    op.drop_column("tasks", "create_key")
