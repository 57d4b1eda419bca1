"""Operators and their tokens, and the amounts of changes that count against ceilings."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0130"
down_revision: str | None = "0129"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it writes no row of the new tables, which alone have the triggers

TIME = sa.DateTime(timezone=True)
COUNTED = ("operators", "operator_tokens")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "operators",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("ceilings", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", TIME, nullable=True),
        sa.CheckConstraint(
            "role IN ('owner', 'operator', 'finance', 'support', 'viewer')",
            name=op.f("operators_role_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("operators_pkey")),
        sa.UniqueConstraint("name", name=op.f("operators_name_key")),
    )
    op.create_table(
        "operator_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("addresses", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("operator_tokens_operator_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("operator_tokens_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("operator_tokens_token_hash_key")),
    )
    op.create_index(op.f("operator_tokens_operator_id_idx"), "operator_tokens", ["operator_id"])
    for table in COUNTED:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER changes_are_counted AFTER INSERT OR UPDATE OR DELETE"
            f" ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION count_token_change()"
        )
    op.add_column("changes", sa.Column("amount_micros", sa.BigInteger(), nullable=True))
    op.create_index(
        "changes_amounts",
        "changes",
        ["actor", "at"],
        postgresql_where=sa.text("amount_micros IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(
        "changes_amounts",
        table_name="changes",
        postgresql_where=sa.text("amount_micros IS NOT NULL"),
    )
    op.drop_column("changes", "amount_micros")
    op.drop_table("operator_tokens")
    op.drop_table("operators")
