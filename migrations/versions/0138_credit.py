"""How far below zero submits may take an account's quota."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0138"
down_revision: str | None = "0137"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it writes no credit, and refuses what needs one


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "accounts",
        sa.Column("credit_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_check_constraint(
        op.f("accounts_credit_not_negative"), "accounts", "credit_micros >= 0"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("accounts_credit_not_negative"), "accounts", type_="check")
    op.drop_column("accounts", "credit_micros")
