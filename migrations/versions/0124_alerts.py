"""Alerts: rules with their states, places that messages go to, messages, notes of processes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0124"
down_revision: str | None = "0123"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "alert_rules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bound", sa.Numeric(), nullable=True),
        sa.Column("pause_s", sa.Integer(), nullable=True),
        sa.Column("muted_until", TIME, nullable=True),
        sa.Column("is_firing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", TIME, server_default=NOW, nullable=False),
        sa.Column("found", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("told", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("checked_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="alert_rules_pkey"),
    )
    op.create_table(
        "alert_places",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("url_sealed", sa.Text(), nullable=False),
        sa.Column("least", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("least IN ('page', 'ticket')", name=op.f("alert_places_least_known")),
        sa.PrimaryKeyConstraint("id", name="alert_places_pkey"),
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        sa.Column("is_firing", sa.Boolean(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("next_attempt_at", TIME, server_default=NOW, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["place_id"],
            ["alert_places.id"],
            name="alert_messages_place_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="alert_messages_pkey"),
    )
    op.create_index(
        "alert_messages_due",
        "alert_messages",
        ["next_attempt_at"],
        postgresql_where="ended_at IS NULL",
    )
    op.create_index("alert_messages_place_id_idx", "alert_messages", ["place_id"])
    op.create_index("alert_messages_created_at_idx", "alert_messages", ["created_at"])
    op.create_table(
        "alert_notes",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("noted_at", TIME, server_default=NOW, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("rule", "process", name="alert_notes_pkey"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("alert_notes", "alert_messages", "alert_places", "alert_rules"):
        op.drop_table(table)
