"""The index of open holds finds a tenant's of one state by age, too.

One index as before, since every hold is written to it; the previous version's code goes by its first
column.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0114"
down_revision: str | None = "0113"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX, OPEN = "tasks_open", "hold_ended_at IS NULL"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(INDEX, table_name="tasks", postgresql_where=OPEN)
    columns = ["account_id", "tenant_id", "state", "created_at"]
    op.create_index(INDEX, "tasks", columns, unique=False, postgresql_where=sa.text(OPEN))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(INDEX, table_name="tasks", postgresql_where=OPEN)
    op.create_index(INDEX, "tasks", ["account_id"], unique=False, postgresql_where=sa.text(OPEN))
