"""Whose each step of a run is: steps are moved by turns among tenants, sends apart from looks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0171"
down_revision: str | None = "0168"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
oldest_code = "0116"  # code of before 0168 knows no table of runs, and none of after is released


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("run_steps", sa.Column("tenant_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE run_steps s SET tenant_id = r.tenant_id FROM runs r WHERE r.id = s.run_id")
    op.alter_column("run_steps", "tenant_id", nullable=False)
    op.create_index(
        "run_steps_to_send",
        "run_steps",
        ["tenant_id", "next_attempt_at"],
        unique=False,
        postgresql_where="state = 'ready'",
    )
    op.create_index(
        "run_steps_to_look_at",
        "run_steps",
        ["tenant_id", "next_attempt_at"],
        unique=False,
        postgresql_where="state IN ('sent', 'keeping')",
    )
    op.drop_index("run_steps_due", table_name="run_steps")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "run_steps_due",
        "run_steps",
        ["next_attempt_at"],
        unique=False,
        postgresql_where="state IN ('ready', 'sent', 'keeping')",
    )
    op.drop_index("run_steps_to_look_at", table_name="run_steps")
    op.drop_index("run_steps_to_send", table_name="run_steps")
    op.drop_column("run_steps", "tenant_id")
