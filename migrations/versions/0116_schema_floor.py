"""The database says which code may run on it, so that older code can tell a newer schema that it
may use from one that it must not.

Holds up nothing: the table is new, and the previous version's code does not ask.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0116"
down_revision: str | None = "0115"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "schema_floor",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("oldest_code", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("schema_floor_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("schema_floor_pkey")),
    )
    op.execute(f"INSERT INTO schema_floor (oldest_code) VALUES ('{revision}')")  # noqa: S608 (a number)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("schema_floor")
