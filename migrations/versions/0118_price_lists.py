"""Kling's price list as the database has adopted it.

What is in use keeps the list that it had: the only one so far, of 2026-09-20. A database without
tenants begins with the one of the version that makes it. The previous version's code does not read
it, and prices by the list that it brings, the same one.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from relay.pricing.official import LIST, OFFICIAL

revision: str = "0118"
down_revision: str | None = "0117"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEPT = "2026-09-20"
KEPT_ROWS = Path(__file__).parents[1] / "prices" / f"{KEPT}.json"
BEGIN = sa.text(
    "INSERT INTO price_lists (name, rows)"
    " SELECT CASE WHEN is_used THEN :kept ELSE :newest END,"
    " CASE WHEN is_used THEN CAST(:kept_rows AS jsonb) ELSE CAST(:newest_rows AS jsonb) END"
    " FROM (SELECT EXISTS (SELECT FROM tenants) AS is_used) AS asked"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "price_lists",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rows", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "adopted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("price_lists_pkey")),
    )
    op.execute(
        BEGIN.bindparams(
            kept=KEPT,
            kept_rows="".join(KEPT_ROWS.read_text().splitlines()),
            newest=LIST,
            newest_rows=msgspec.json.encode(OFFICIAL).decode(),
        )
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("price_lists")
