"""Price rows by which less was held than Kling took; the version before does not read them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0104"
down_revision: str | None = "0103"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "price_underquotes",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("price", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seen_at", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.Column("dearest", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("rise", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("risen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("price_underquotes_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("price_underquotes")
