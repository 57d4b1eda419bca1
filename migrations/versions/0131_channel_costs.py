"""What channels' units are bought at, and an index by which a window of entries is read."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0131"
down_revision: str | None = "0130"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it writes no row of the new table, which alone has the trigger

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "channel_costs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(24, 12), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(24, 12), nullable=False),
        sa.Column("rate_per", sa.Numeric(24, 12), nullable=False),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "unit IN ('video', 'image', 'cash')", name=op.f("channel_costs_unit_known")
        ),
        sa.CheckConstraint("price >= 0", name=op.f("channel_costs_price_not_negative")),
        sa.CheckConstraint("rate > 0 AND rate_per > 0", name=op.f("channel_costs_rate_positive")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("channel_costs_channel_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("channel_costs_pkey")),
    )
    op.create_index(
        "channel_costs_in_force", "channel_costs", ["channel_id", "unit", "valid_from", "id"]
    )
    op.execute(
        "CREATE TRIGGER channel_costs_are_final BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON channel_costs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.create_index("entries_by_time", "entries", ["created_at"], postgresql_using="brin")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("entries_by_time", table_name="entries", postgresql_using="brin")
    op.drop_table("channel_costs")
