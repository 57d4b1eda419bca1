"""Owners of resources, prices per image, and tenants that want to see quotes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "owners",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('video', 'audio', 'element', 'voice', 'session')",
            name=op.f("owners_kind_known"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("owners_channel_id_fkey")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("owners_task_id_fkey")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("owners_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("owners_pkey")),
    )
    op.create_index("owners_key", "owners", ["resource_id", "kind", "channel_id"], unique=True)
    op.create_index(op.f("owners_tenant_id_kind_id_idx"), "owners", ["tenant_id", "kind", "id"])
    op.create_index(
        "owners_deleted", "owners", ["task_id"], postgresql_where="deleted_at IS NOT NULL"
    )
    op.create_index("tasks_flagged", "tasks", ["id"], postgresql_where="is_flagged")
    op.drop_constraint(op.f("prices_per_known"), "prices", type_="check")
    op.create_check_constraint(
        op.f("prices_per_known"), "prices", "per IN ('task', 'second', 'image')"
    )
    op.add_column(
        "tenants",
        sa.Column("shows_quote", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("tenants", "shows_quote")
    op.drop_index("tasks_flagged", table_name="tasks")
    op.execute("DELETE FROM prices WHERE per = 'image'")
    op.drop_constraint(op.f("prices_per_known"), "prices", type_="check")
    op.create_check_constraint(op.f("prices_per_known"), "prices", "per IN ('task', 'second')")
    op.drop_table("owners")
