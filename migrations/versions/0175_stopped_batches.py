"""When a batch was stopped, what a step takes of those before it, and runs nobody heard of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "0175"
down_revision: str | None = "0174"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "run_batches", sa.Column("cancelled_at", sa.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column("run_steps", sa.Column("takes", ARRAY(sa.Text()), nullable=True))
    op.create_index(
        "runs_unheard",
        "runs",
        ["token_id", "fingerprint", "id"],
        unique=False,
        postgresql_where="key IS NULL AND fingerprint IS NOT NULL",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(
        "runs_unheard", "runs", postgresql_where="key IS NULL AND fingerprint IS NOT NULL"
    )
    op.drop_column("run_steps", "takes")
    op.drop_column("run_batches", "cancelled_at")
