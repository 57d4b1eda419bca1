"""Runs: chains of tasks, their steps, and what happened to them in order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from relay.database.xid8 import Xid8

revision: str = "0168"
down_revision: str | None = "0167"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column(
            "public_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("input_sealed", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("caller_address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("quote_micros", sa.BigInteger(), nullable=False),
        sa.Column("cap_micros", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("cancelled_at", TIME, nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled'))",
            name=op.f("runs_end_is_told"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')",
            name=op.f("runs_state_known"),
        ),
        sa.CheckConstraint("cap_micros >= 0", name=op.f("runs_cap_not_negative")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("runs_tenant_id_fkey")),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("runs_token_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
        sa.UniqueConstraint("public_id", name=op.f("runs_public_id_key")),
    )
    op.create_index(
        "runs_inputs_kept",
        "runs",
        ["ended_at"],
        unique=False,
        postgresql_where="ended_at IS NOT NULL AND input_sealed IS NOT NULL",
    )
    op.create_index(
        "runs_key", "runs", ["token_id", "key"], unique=True, postgresql_where="key IS NOT NULL"
    )
    op.create_index(
        "runs_open",
        "runs",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where="ended_at IS NULL",
    )
    op.create_index(op.f("runs_tenant_id_id_idx"), "runs", ["tenant_id", "id"], unique=False)
    op.create_table(
        "run_steps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("needs", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("price_name", sa.Text(), nullable=True),
        sa.Column("is_result", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("body_sealed", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("key", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("task_state", sa.Text(), nullable=True),
        sa.Column("usual_s", sa.Double(), nullable=True),
        sa.Column("quote_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("made_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.CheckConstraint(
            "state <> 'sent' OR task_id IS NOT NULL", name=op.f("run_steps_sent_has_a_task")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'ready', 'sent', 'keeping', 'done', 'failed', 'skipped')",
            name=op.f("run_steps_state_known"),
        ),
        sa.CheckConstraint("reserved_micros >= 0", name=op.f("run_steps_reserve_not_negative")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("run_steps_run_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("run_steps_pkey")),
    )
    op.create_index(
        "run_steps_due",
        "run_steps",
        ["next_attempt_at"],
        unique=False,
        postgresql_where="state IN ('ready', 'sent', 'keeping')",
    )
    op.create_index("run_steps_name", "run_steps", ["run_id", "name"], unique=True)
    op.create_index(
        "run_steps_of_task",
        "run_steps",
        ["task_id"],
        unique=False,
        postgresql_where="task_id IS NOT NULL",
    )
    op.create_table(
        "run_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("xact", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("run_events_pkey")),
    )
    op.create_index(op.f("run_events_created_at_idx"), "run_events", ["created_at"], unique=False)
    op.create_index("run_events_in_order", "run_events", ["xact", "id"], unique=False)
    op.create_index("run_events_of_tenant", "run_events", ["tenant_id", "xact", "id"], unique=False)
    op.create_table(
        "run_retentions",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.CheckConstraint("days >= 0", name=op.f("run_retentions_days_not_negative")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("run_retentions_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("run_retentions_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("run_retentions")
    op.drop_table("run_events")
    op.drop_table("run_steps")
    op.drop_table("runs")
