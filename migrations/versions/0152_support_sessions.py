"""Which links into the portal, and sessions there, are the operator's own people's."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0152"
down_revision: str | None = "0151"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("portal_links", "portal_sessions"):
        op.add_column(table, sa.Column("support_by", sa.Text(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("portal_links", "portal_sessions"):
        op.drop_column(table, "support_by")
