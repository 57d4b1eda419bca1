"""The row of a create that was joined names who did, so that a join can be made again.

The index of what may be joined holds what was, too, for the ten minutes that count. The previous
version's code goes on: it writes no names, and finds what it joins by a wider index.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0113"
down_revision: str | None = "0112"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "tasks_unheard"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tasks", sa.Column("joined_by", sa.Text(), nullable=True))
    op.drop_index(INDEX, table_name="tasks")
    op.create_index(
        INDEX,
        "tasks",
        ["token_id", "fingerprint", "created_at"],
        unique=False,
        postgresql_where="fingerprint IS NOT NULL AND create_key IS NULL",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(INDEX, table_name="tasks")
    op.create_index(
        INDEX,
        "tasks",
        ["token_id", "fingerprint"],
        unique=False,
        postgresql_where="unheard_at IS NOT NULL",
    )
    op.drop_column("tasks", "joined_by")
