"""Indexes by which owners and sealed callback URLs are forgotten by age.

Owners expire in the order in which they are learned, so a BRIN index finds the old ones and costs
the statement that learns them nothing to speak of. The others hold only rows with a sealed URL.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0107"
down_revision: str | None = "0106"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("owners_expiring", "owners", ["expires_at"], postgresql_using="brin")
    op.create_index(
        "tasks_sealed_callback",
        "tasks",
        ["hold_ended_at"],
        postgresql_where=sa.text("callback_url LIKE '% %'"),
    )
    op.create_index(
        "deliveries_sealed_url",
        "deliveries",
        ["ended_at"],
        postgresql_where=sa.text("url LIKE '% %'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("deliveries_sealed_url", table_name="deliveries")
    op.drop_index("tasks_sealed_callback", table_name="tasks")
    op.drop_index("owners_expiring", table_name="owners")
