"""Limits of tenants and tokens, and what tasks took of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0136"
down_revision: str | None = "0135"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it writes no row of the new table, which alone has the trigger

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "accounts",
        sa.Column("limits_set", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("tasks", sa.Column("limit_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True))
    op.add_column("tasks", sa.Column("limit_starts", postgresql.ARRAY(TIME), nullable=True))
    op.create_table(
        "limits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("raised", sa.BigInteger(), nullable=True),
        sa.Column("raised_until", TIME, nullable=True),
        sa.Column("start_at", TIME, nullable=False),
        sa.Column("until_at", TIME, nullable=True),
        sa.Column("taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken_before", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('day', 'week', 'month', 'total', 'task', 'in_flight', 'rate')",
            name=op.f("limits_kind_known"),
        ),
        sa.CheckConstraint("allowed >= 0", name=op.f("limits_allowed_not_negative")),
        sa.CheckConstraint(
            "(raised IS NULL) = (raised_until IS NULL)", name=op.f("limits_raise_is_whole")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("limits_tenant_id_fkey")),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("limits_token_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("limits_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "limits_one_of_kind",
        "limits",
        ["tenant_id", "token_id", "kind"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    # Not of an update: each hold counts in its limits.
    op.execute(
        "CREATE CONSTRAINT TRIGGER changes_are_counted AFTER INSERT OR DELETE"
        " ON limits DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION count_token_change()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("limits")
    op.drop_column("tasks", "limit_starts")
    op.drop_column("tasks", "limit_ids")
    op.drop_column("accounts", "limits_set")
