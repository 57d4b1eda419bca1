"""Files of one task told apart that differ in their query only, and due ones found by tenant."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0157"
down_revision: str | None = "0156"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it knows nothing of assets, whose table came with 0153


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("assets", sa.Column("nth", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "assets_of_task_nth",
        "assets",
        ["task_id", sa.text("split_part(source_url, '?', 1)"), "nth"],
        unique=True,
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.drop_index("assets_of_task", "assets")
    op.create_index(
        "assets_of_tenant_due",
        "assets",
        ["tenant_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'due'"),
    )
    op.drop_index("assets_due", "assets")
    op.create_index(
        "assets_of_tenant_stored",
        "assets",
        ["tenant_id"],
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.drop_index("assets_shown", "assets")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM assets WHERE nth > 0")  # copied anew by whoever has the column again
    op.create_index(
        "assets_shown",
        "assets",
        ["tenant_id", sa.text("split_part(source_url, '?', 1)")],
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.drop_index("assets_of_tenant_stored", "assets")
    op.create_index(
        "assets_due", "assets", ["next_attempt_at"], postgresql_where=sa.text("state = 'due'")
    )
    op.drop_index("assets_of_tenant_due", "assets")
    op.create_index(
        "assets_of_task",
        "assets",
        ["task_id", sa.text("split_part(source_url, '?', 1)")],
        unique=True,
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.drop_index("assets_of_task_nth", "assets")
    op.drop_column("assets", "nth")
