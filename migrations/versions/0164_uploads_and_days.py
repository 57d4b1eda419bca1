"""What a tenant sent found without its results; days of files by their day."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0164"
down_revision: str | None = "0159"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "assets_uploaded",
        "assets",
        ["tenant_id"],
        postgresql_where=sa.text("source = 'upload' AND state = 'stored'"),
    )
    op.create_index(op.f("asset_days_day_idx"), "asset_days", ["day"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("asset_days_day_idx", "asset_days")
    op.drop_index("assets_uploaded", "assets")
