"""From where a task was created, and up to which task that was forgotten."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0123"
down_revision: str | None = "0122"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tasks", sa.Column("caller_address", sa.Text(), nullable=True))
    op.create_table(
        "addresses_forgotten",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("up_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
        sa.PrimaryKeyConstraint("id", name="addresses_forgotten_pkey"),
    )
    # No task has one yet: none of those that are there need be read for it.
    op.execute("INSERT INTO addresses_forgotten (up_to) SELECT coalesce(max(id), 0) FROM tasks")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("addresses_forgotten")
    op.drop_column("tasks", "caller_address")
