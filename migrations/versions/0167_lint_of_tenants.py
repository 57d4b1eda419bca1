"""Whether a tenant's creates are held against Kling's documents before anything is held."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0167"
down_revision: str | None = "0165"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "tenants",
        sa.Column("lints_creates", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("tenants", "lints_creates")
