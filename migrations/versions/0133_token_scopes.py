"""What a token may be used for, and which token made it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0133"
down_revision: str | None = "0132"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # it writes no scope, and the default is what its tokens may do


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "tokens", sa.Column("scope", sa.Text(), server_default=sa.text("'call'"), nullable=False)
    )
    op.add_column("tokens", sa.Column("made_by_id", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("tokens_scope_known"), "tokens", "scope IN ('call', 'read', 'manage')"
    )
    op.create_foreign_key(
        op.f("tokens_made_by_id_fkey"), "tokens", "tokens", ["made_by_id"], ["id"]
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("tokens_made_by_id_fkey"), "tokens", type_="foreignkey")
    op.drop_constraint(op.f("tokens_scope_known"), "tokens", type_="check")
    op.drop_column("tokens", "made_by_id")
    op.drop_column("tokens", "scope")
