"""A submit is one task: `tasks.request_id` is unique.

A hold whose connection broke is run again, and finds by it what was held. The previous version's
code goes on: its request ids are unique too.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0103"
down_revision: str | None = "0102"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "tasks_request_id_idx"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f(INDEX), table_name="tasks")
    op.create_index(op.f(INDEX), "tasks", ["request_id"], unique=True)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f(INDEX), table_name="tasks")
    op.create_index(op.f(INDEX), "tasks", ["request_id"], unique=False)
