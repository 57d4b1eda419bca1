"""Creates that came in one request: each is a run by itself, at its place among them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0173"
down_revision: str | None = "0172"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it knows nothing of runs, whose table came with 0168

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "run_batches",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("items > 0", name=op.f("run_batches_has_items")),
        sa.CheckConstraint(
            "(key IS NULL) = (fingerprint IS NULL)", name=op.f("run_batches_key_has_a_fingerprint")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("run_batches_tenant_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("run_batches_token_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("run_batches_pkey")),
    )
    op.create_index(
        "run_batches_key",
        "run_batches",
        ["token_id", "key"],
        unique=True,
        postgresql_where="key IS NOT NULL",
    )
    op.add_column("runs", sa.Column("batch_id", sa.Uuid(), nullable=True))
    op.add_column("runs", sa.Column("batch_place", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("runs_batch_id_fkey"), "runs", "run_batches", ["batch_id"], ["id"])
    op.create_check_constraint(
        op.f("runs_batch_and_place_together"),
        "runs",
        "(batch_id IS NULL) = (batch_place IS NULL)",
    )
    op.create_index(
        "runs_batch",
        "runs",
        ["batch_id", "batch_place"],
        unique=True,
        postgresql_where="batch_id IS NOT NULL",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("runs_batch", "runs")
    op.drop_column("runs", "batch_place")
    op.drop_column("runs", "batch_id")
    op.drop_table("run_batches")
