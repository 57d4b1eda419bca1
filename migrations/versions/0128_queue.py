"""The queue: creates that wait for room, under an id that their tenants keep."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0128"
down_revision: str | None = "0127"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Of these constraints it writes what the narrower ones allow too. Nothing is queued before somebody
# asks for it, which only newer code understands.
oldest_code = "0116"

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")
STATES = "'pending', 'unknown', 'submitted', 'processing'"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tasks", sa.Column("public_id", sa.Text(), nullable=True))
    for column in ("queue_s", "room_min"):
        default = None if column == "queue_s" else sa.text("0")
        op.add_column(
            "tenants",
            sa.Column(column, sa.Integer(), server_default=default, nullable=column == "queue_s"),
        )
    op.add_column(
        "tenants",
        sa.Column("queue_weight", sa.Integer(), server_default=sa.text("1"), nullable=False),
    )
    op.add_column("tokens", sa.Column("queue_s", sa.Integer(), nullable=True))
    _restate("'queued', ")
    op.create_index(
        "tasks_public_id",
        "tasks",
        ["public_id"],
        unique=True,
        postgresql_where="public_id IS NOT NULL",
    )
    # Built before the one of before goes, which serves lists meanwhile. What asked that one, for
    # tasks with Kling's id, may ask this one as well.
    op.create_index(
        "tasks_listed",
        "tasks",
        ["tenant_id", "endpoint", "id"],
        postgresql_where="(kling_id IS NOT NULL OR public_id IS NOT NULL) AND state <> 'refused'",
    )
    op.drop_index("tasks_list", "tasks")
    op.create_table(
        "queue",
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("body_sealed", sa.Text(), nullable=False),
        sa.Column("path_model", sa.Text(), nullable=True),
        sa.Column("channel_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="queue_task_id_fkey"),
        sa.PrimaryKeyConstraint("task_id", name="queue_pkey"),
    )
    op.create_table(
        "queue_turns",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("began", sa.Double(), nullable=False),
        sa.Column("clock", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="queue_turns_tenant_id_fkey"),
        sa.PrimaryKeyConstraint("tenant_id", name="queue_turns_pkey"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("queue_turns")
    op.drop_table("queue")
    op.create_index(
        "tasks_list",
        "tasks",
        ["tenant_id", "endpoint", "id"],
        postgresql_where="kling_id IS NOT NULL AND state <> 'refused'",
    )
    op.drop_index("tasks_listed", "tasks")
    op.drop_index("tasks_public_id", "tasks")
    _restate("")
    op.drop_column("tokens", "queue_s")
    for column in ("queue_weight", "room_min", "queue_s"):
        op.drop_column("tenants", column)
    op.drop_column("tasks", "public_id")


def _restate(queued: str) -> None:
    """Spell the two constraints anew; the next migration reads the rows of before."""
    for name, condition in (
        ("state_known", f"state IN ({queued}{STATES}, 'succeed', 'failed', 'refused')"),
        ("open_hold_iff_live", f"(hold_ended_at IS NULL) = (state IN ({queued}{STATES}))"),
    ):
        op.drop_constraint(op.f(f"tasks_{name}"), "tasks", type_="check")
        op.create_check_constraint(
            op.f(f"tasks_{name}"), "tasks", condition, postgresql_not_valid=True
        )
