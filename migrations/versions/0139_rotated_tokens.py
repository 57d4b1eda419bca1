"""What a token had before it was rotated."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0139"
down_revision: str | None = "0138"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FOUND_BY = ("former_access_key", "former_api_key_hash")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tokens", sa.Column("former_access_key", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("former_secret_key_sealed", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("former_api_key_hash", sa.LargeBinary(), nullable=True))
    op.add_column("tokens", sa.Column("former_until", sa.DateTime(timezone=True), nullable=True))
    for name in FOUND_BY:
        op.create_index(f"tokens_{name}", "tokens", [name], postgresql_where=f"{name} IS NOT NULL")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in FOUND_BY:
        op.drop_index(f"tokens_{name}", "tokens")
    for name in (*FOUND_BY, "former_secret_key_sealed", "former_until"):
        op.drop_column("tokens", name)
