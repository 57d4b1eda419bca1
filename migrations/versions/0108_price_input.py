"""Price rows that bill the seconds of input videos too; the version before bills the output alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0108"
down_revision: str | None = "0107"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

RULE = "input_floor IS NULL OR (input_floor >= 0 AND per = 'second')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("prices", sa.Column("input_floor", sa.Numeric(precision=12, scale=6)))
    op.create_check_constraint(op.f("prices_input_floor_of_seconds"), "prices", RULE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("prices_input_floor_of_seconds"), "prices")
    op.drop_column("prices", "input_floor")
