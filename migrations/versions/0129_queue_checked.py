"""Constraints of the queue's states, checked on the tasks of before without keeping anybody out."""

from collections.abc import Sequence

from alembic import op

revision: str = "0129"
down_revision: str | None = "0128"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # what is checked holds since 0128


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("state_known", "open_hold_iff_live"):
        op.execute(f"ALTER TABLE tasks VALIDATE CONSTRAINT tasks_{name}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
