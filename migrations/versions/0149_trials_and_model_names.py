"""Trials of channels from their beginning on; names that models had in another relay; how much an
account was served of the queue."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0149"
down_revision: str | None = "0148"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "trials",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("most_micros", sa.BigInteger(), nullable=False),
        sa.Column("injected_id", sa.Text(), nullable=False),
        sa.Column("kling_ids", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("begun_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (failure IS NULL AND report IS NULL)",
            name=op.f("trials_end_is_told"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("trials_channel_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("trials_pkey")),
    )
    op.create_index(op.f("trials_channel_id_id_idx"), "trials", ["channel_id", "id"])
    op.create_index(
        "trials_one_at_a_time",
        "trials",
        ["channel_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "moved_models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("moved_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("moved_models_pkey")),
    )
    op.create_table(
        "queue_account_turns",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("began", sa.Double(), nullable=False),
        sa.Column("clock", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("queue_account_turns_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("queue_account_turns_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("queue_account_turns")
    op.drop_table("moved_models")
    op.drop_table("trials")
