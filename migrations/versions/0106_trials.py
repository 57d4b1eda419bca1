"""Trials: what an account was seen to do, and callbacks that have no task."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0106"
down_revision: str | None = "0105"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "channels",
        sa.Column("is_sandbox", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "channels",
        sa.Column(
            "confirmed_lookups",
            postgresql.ARRAY(sa.Text()),
            server_default="{}",
            nullable=False,
        ),
    )
    op.add_column("channels", sa.Column("trial", postgresql.JSONB(), nullable=True))
    op.add_column("channels", sa.Column("trial_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "trial_callbacks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("injected_id", sa.Text(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("trial_callbacks_pkey")),
    )
    op.create_index(
        op.f("trial_callbacks_injected_id_idx"), "trial_callbacks", ["injected_id"], unique=False
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f("trial_callbacks_injected_id_idx"), table_name="trial_callbacks")
    op.drop_table("trial_callbacks")
    for column in ("trial_at", "trial", "confirmed_lookups", "is_sandbox"):
        op.drop_column("channels", column)
