"""How often Kling broke on what waits in the queue, and what a step takes of its run's price."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0176"
down_revision: str | None = "0175"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("queue", sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column("queue", sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("run_steps", sa.Column("share_micros", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("run_steps", "share_micros")
    op.drop_column("queue", "failed_at")
    op.drop_column("queue", "failures")
