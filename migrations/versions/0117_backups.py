"""Backups: which were made, and from which one a database came.

Holds up nothing: the tables are new.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0117"
down_revision: str | None = "0116"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "backups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "ended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(bytes IS NULL) = (error IS NOT NULL)", name=op.f("backups_made_or_failed")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("backups_pkey")),
    )
    op.create_index(
        "backups_made", "backups", ["made_at"], postgresql_where=sa.text("error IS NULL")
    )
    op.create_index(op.f("backups_ended_at_idx"), "backups", ["ended_at"])
    op.create_table(
        "restores",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("former_prefix", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("restores_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("restores")
    op.drop_table("backups")
