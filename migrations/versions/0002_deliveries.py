"""What sending deliveries needs: leases, attempts and tenants' webhook secrets."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WEBHOOK_ID = "('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text))"
HOST_OF_URL = (
    "coalesce(lower(substring(url, '^[A-Za-z]+://(?:[^/?#]*@)?([^/?#]*)'::text)), ''::text)"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The first two rewrite the table, which no version has read or written much so far.
    op.add_column(
        "deliveries",
        sa.Column("webhook_id", sa.Text(), server_default=sa.text(WEBHOOK_ID), nullable=False),
    )
    op.add_column(
        "deliveries",
        sa.Column("host", sa.Text(), sa.Computed(HOST_OF_URL, persisted=True), nullable=False),
    )
    op.add_column("deliveries", sa.Column("lease", sa.Uuid(), nullable=True))
    op.add_column(
        "deliveries", sa.Column("retried_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("deliveries", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("reason", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("deliveries_webhook_id_key"), "deliveries", ["webhook_id"])
    op.create_check_constraint(
        op.f("deliveries_leased_only_if_due"), "deliveries", "lease IS NULL OR state = 'due'"
    )
    op.drop_index("deliveries_due", table_name="deliveries", postgresql_where="state = 'due'")
    op.create_index(
        "deliveries_lanes",
        "deliveries",
        ["tenant_id", "host", "next_attempt_at"],
        unique=False,
        postgresql_where="state = 'due'",
    )
    op.create_index(
        "deliveries_due_of_task",
        "deliveries",
        ["task_id", "id"],
        unique=False,
        postgresql_where="state = 'due'",
    )
    op.create_index(
        op.f("deliveries_tenant_id_id_idx"), "deliveries", ["tenant_id", "id"], unique=False
    )
    # Nothing was sent before, and older statuses of a task are of no use to anybody now.
    op.execute("""
        UPDATE deliveries d SET state = 'superseded', ended_at = now()
        WHERE state = 'due' AND EXISTS (
            SELECT FROM deliveries n WHERE n.task_id = d.task_id AND n.id > d.id
        )
    """)
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("delivery_attempts_delivery_id_fkey")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("delivery_attempts_pkey")),
    )
    op.create_index(op.f("delivery_attempts_at_idx"), "delivery_attempts", ["at"], unique=False)
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("secret_sealed", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("webhook_secrets_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_secrets_pkey")),
    )
    op.create_index(
        op.f("webhook_secrets_tenant_id_idx"), "webhook_secrets", ["tenant_id"], unique=False
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f("webhook_secrets_tenant_id_idx"), table_name="webhook_secrets")
    op.drop_table("webhook_secrets")
    op.drop_index(op.f("delivery_attempts_at_idx"), table_name="delivery_attempts")
    op.drop_table("delivery_attempts")
    op.drop_index(op.f("deliveries_tenant_id_id_idx"), table_name="deliveries")
    op.drop_index(
        "deliveries_due_of_task", table_name="deliveries", postgresql_where="state = 'due'"
    )
    op.drop_index("deliveries_lanes", table_name="deliveries", postgresql_where="state = 'due'")
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where="state = 'due'",
    )
    op.drop_constraint(op.f("deliveries_leased_only_if_due"), "deliveries", type_="check")
    op.drop_constraint(op.f("deliveries_webhook_id_key"), "deliveries", type_="unique")
    for column in ("reason", "ended_at", "retried_since", "lease", "host", "webhook_id"):
        op.drop_column("deliveries", column)
