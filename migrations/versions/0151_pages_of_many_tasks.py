"""Indexes of pages: an account's entries with what sums need; refused tasks by their callers' ids."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0151"
down_revision: str | None = "0150"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
oldest_code = "0116"  # the index that goes begins as the one that comes


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "entries_of_account",
        "entries",
        ["account_id", "id"],
        postgresql_include=["created_at", "amount_micros"],
    )
    op.drop_index(op.f("entries_account_id_id_idx"), table_name="entries")
    op.create_index(
        "tasks_refused_external_id",
        "tasks",
        ["tenant_external_id"],
        postgresql_where=sa.text("state = 'refused' AND tenant_external_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("tasks_refused_external_id", table_name="tasks")
    op.create_index(op.f("entries_account_id_id_idx"), "entries", ["account_id", "id"])
    op.drop_index("entries_of_account", table_name="entries")
