"""Files that stay: copied results and their content, and what a tenant keeps."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0153"
down_revision: str | None = "0152"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tenants", sa.Column("keep_results_days", sa.Integer(), nullable=True))
    op.add_column("tenants", sa.Column("asset_bytes_max", sa.BigInteger(), nullable=True))
    op.add_column(
        "tenants", sa.Column("result_urls", sa.Text(), server_default="kling", nullable=False)
    )
    op.create_table(
        "asset_objects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("unused_after", TIME, nullable=True),
        sa.Column("stored_at", TIME, nullable=True),
        sa.Column("doomed_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("asset_objects_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("asset_objects_pkey")),
    )
    op.create_index(
        "asset_objects_content",
        "asset_objects",
        ["tenant_id", "sha256"],
        unique=True,
        postgresql_where=sa.text("doomed_at IS NULL"),
    )
    op.create_index(
        "asset_objects_unused",
        "asset_objects",
        ["unused_after"],
        postgresql_where=sa.text("unused_after IS NOT NULL"),
    )
    op.create_table(
        "assets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column(
            "public_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="due", nullable=False),
        sa.Column("next_attempt_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("object_id", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("stored_at", TIME, nullable=True),
        sa.Column("kept_until", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.CheckConstraint(
            "state IN ('due', 'stored', 'lost', 'deleted')", name=op.f("assets_state_known")
        ),
        sa.CheckConstraint("source IN ('result', 'upload')", name=op.f("assets_source_known")),
        sa.CheckConstraint(
            "(source = 'result') = (task_id IS NOT NULL AND source_url IS NOT NULL)",
            name=op.f("assets_result_is_a_tasks"),
        ),
        sa.CheckConstraint(
            "(state = 'stored') = (object_id IS NOT NULL)", name=op.f("assets_stored_iff_content")
        ),
        sa.CheckConstraint(
            "state <> 'stored' OR num_nulls(sha256, bytes, content_type, stored_at, kept_until) = 0",
            name=op.f("assets_stored_is_whole"),
        ),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('lost', 'deleted'))",
            name=op.f("assets_end_is_told"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("assets_tenant_id_fkey")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("assets_task_id_fkey")),
        sa.ForeignKeyConstraint(
            ["object_id"], ["asset_objects.id"], name=op.f("assets_object_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("assets_pkey")),
        sa.UniqueConstraint("public_id", name=op.f("assets_public_id_key")),
    )
    op.create_index(
        "assets_of_task",
        "assets",
        ["task_id", sa.text("split_part(source_url, '?', 1)")],
        unique=True,
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.create_index(
        "assets_due", "assets", ["next_attempt_at"], postgresql_where=sa.text("state = 'due'")
    )
    op.create_index(
        "assets_kept", "assets", ["kept_until"], postgresql_where=sa.text("state = 'stored'")
    )
    op.create_index(
        "assets_shown",
        "assets",
        ["tenant_id", sa.text("split_part(source_url, '?', 1)")],
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.create_index(
        op.f("assets_object_id_idx"),
        "assets",
        ["object_id"],
        postgresql_where=sa.text("object_id IS NOT NULL"),
    )
    op.create_index(op.f("assets_tenant_id_id_idx"), "assets", ["tenant_id", "id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("assets")
    op.drop_table("asset_objects")
    op.drop_column("tenants", "result_urls")
    op.drop_column("tenants", "asset_bytes_max")
    op.drop_column("tenants", "keep_results_days")
