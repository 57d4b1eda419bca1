"""How channels do: what keeps them from new tasks, slots that their tasks take, units left."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0120"
down_revision: str | None = "0119"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "tasks",
        sa.Column("slots", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
    )
    op.add_column(
        "channels",
        sa.Column("is_draining", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "channels",
        sa.Column(
            "room", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    op.add_column("channels", sa.Column("units_asked_at", sa.DateTime(timezone=True)))
    op.create_table(
        "channel_packs",
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("pack_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("remaining", sa.Numeric(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "read_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="channel_packs_channel_id_fkey"
        ),
        sa.PrimaryKeyConstraint("channel_id", "pack_id", name="channel_packs_pkey"),
    )
    op.create_table(
        "channel_conditions",
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_probed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("room", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('ok', 'cooling', 'parked', 'refused')",
            name="state_known",
        ),
        sa.CheckConstraint("room >= 0", name="room_not_negative"),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="channel_conditions_channel_id_fkey"
        ),
        sa.PrimaryKeyConstraint("channel_id", "pack", "model", name="channel_conditions_pkey"),
    )
    op.create_table(
        "channel_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="channel_events_channel_id_fkey"
        ),
        sa.PrimaryKeyConstraint("id", name="channel_events_pkey"),
    )
    op.create_index("channel_events_channel_id_id_idx", "channel_events", ["channel_id", "id"])
    op.create_index("channel_events_created_at_idx", "channel_events", ["created_at"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("channel_events")
    op.drop_table("channel_conditions")
    op.drop_table("channel_packs")
    op.drop_column("channels", "units_asked_at")
    op.drop_column("channels", "room")
    op.drop_column("channels", "is_draining")
    op.drop_column("tasks", "slots")
