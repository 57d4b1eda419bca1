"""What a run was asked for, as a code of it, and which run's results another one is given."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0174"
down_revision: str | None = "0173"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("runs", sa.Column("inputs_mac", sa.LargeBinary(), nullable=True))
    op.add_column("runs", sa.Column("reused_from", sa.BigInteger(), nullable=True))
    op.create_index(
        "runs_of_inputs",
        "runs",
        ["tenant_id", "inputs_mac", "id"],
        unique=False,
        postgresql_where="inputs_mac IS NOT NULL",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("runs_of_inputs", "runs", postgresql_where="inputs_mac IS NOT NULL")
    op.drop_column("runs", "reused_from")
    op.drop_column("runs", "inputs_mac")
