"""Tasks keep what their tenants read: Kling's own time, and the operator's words for tenants.

`kling_created_at` is what lists are searched by, since it is what they show. Rows of before are
found by our own time, as they were.

A reason of the operator's stood in `fail_message` and was shown to the tenant. It is in `changes`
too, where it stays; here a neutral sentence takes its place.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0111"
down_revision: str | None = "0110"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tasks", sa.Column("kling_created_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE tasks SET fail_message = 'The task was ended by the service without a result.'"
        " WHERE ended_via = 'operator' AND state = 'failed'"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("tasks", "kling_created_at")
