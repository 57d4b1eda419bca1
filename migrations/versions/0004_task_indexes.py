"""Fewer indexes to write per task: one under Kling's id instead of two, and none of nulls.

Each index is built under a SHARE lock: tasks can be read meanwhile and not written, which takes
about a second per million rows. The old ones are dropped under ACCESS EXCLUSIVE, for an instant.
Where writers cannot wait for that, build the new ones before, with CREATE INDEX CONCURRENTLY and
the definitions below; those are then left as they are, and one whose build had failed is built
again. All of it is one transaction, during which running processes answer submits with 503: their
statements wait 250 ms for a lock. So upgrade in a quiet minute. The previous version's code finds all
its rows by the new indexes too.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


DROP_INVALID = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{name}') AND NOT indisvalid) THEN
        DROP INDEX {name};
    END IF;
END $$
"""
"""What a cancelled CREATE INDEX CONCURRENTLY leaves: it has the name, and nothing is found by it."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("tasks_kling_key", "tasks_kling_request"):
        op.execute(DROP_INVALID.format(name=name))
    op.create_index(
        "tasks_kling_key",
        "tasks",
        ["task_id", "channel_id"],
        unique=True,
        postgresql_where=sa.text("task_id IS NOT NULL"),
        if_not_exists=True,
    )
    op.create_index(
        "tasks_kling_request",
        "tasks",
        ["kling_request_id"],
        postgresql_where=sa.text("kling_request_id IS NOT NULL"),
        if_not_exists=True,
    )
    op.drop_index("tasks_kling_id", table_name="tasks")
    op.drop_index("tasks_by_kling_id", table_name="tasks")
    op.drop_index(op.f("tasks_kling_request_id_idx"), table_name="tasks")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(op.f("tasks_kling_request_id_idx"), "tasks", ["kling_request_id"])
    op.create_index("tasks_by_kling_id", "tasks", ["task_id", "tenant_id"])
    op.create_index(
        "tasks_kling_id",
        "tasks",
        ["channel_id", "task_id"],
        unique=True,
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.drop_index("tasks_kling_request", table_name="tasks")
    op.drop_index("tasks_kling_key", table_name="tasks")
