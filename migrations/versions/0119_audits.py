"""Audits are kept, and what a scrape of the business asks for has indexes of its own.

Building them reads `entries` and `deliveries` once and holds up writes to each meanwhile: about a
second for a million rows. The table is new.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0119"
down_revision: str | None = "0118"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "audits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "ended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("differences", sa.BigInteger(), nullable=False),
        sa.Column("drift_micros", sa.BigInteger(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.Column("tasks", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audits_pkey")),
    )
    op.create_index(op.f("audits_read_at_idx"), "audits", ["read_at"])
    op.create_index(
        "entries_but_charges",
        "entries",
        ["kind"],
        postgresql_include=["amount_micros"],
        postgresql_where="kind <> 'charge'",
    )
    op.create_index("deliveries_dead", "deliveries", ["id"], postgresql_where="state = 'dead'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("deliveries_dead", table_name="deliveries")
    op.drop_index("entries_but_charges", table_name="entries")
    op.drop_table("audits")
