"""Changes found by the form that they were made by, so that each form is done once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0159"
down_revision: str | None = "0158"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "changes_forms",
        "changes",
        ["request_id"],
        postgresql_where=sa.text("request_id LIKE 'form-%'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("changes_forms", "changes")
