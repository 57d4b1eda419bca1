"""A task's charge can be given back in parts, and its row says how much was.

The check stands under what the index did before: no more is given back than was charged. Entries of
a task that are no charge have an index of their own, since a task may have several.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0112"
down_revision: str | None = "0111"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "tasks",
        sa.Column("refunded_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.execute(
        "UPDATE tasks t SET refunded_micros = e.amount_micros FROM entries e"
        " WHERE e.task_id = t.id AND e.kind = 'refund'"
    )
    op.create_check_constraint(
        op.f("tasks_refunded_at_most_the_charge"),
        "tasks",
        "refunded_micros BETWEEN 0 AND coalesce(charged_micros, 0)",
    )
    op.create_index(
        "entries_later_of_task",
        "entries",
        ["task_id"],
        postgresql_where="task_id IS NOT NULL AND kind <> 'charge'",
    )
    op.drop_index("entries_one_refund", table_name="entries", postgresql_where="kind = 'refund'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "entries_one_refund",
        "entries",
        ["task_id"],
        unique=True,
        postgresql_where="kind = 'refund'",
    )
    op.drop_index(
        "entries_later_of_task",
        table_name="entries",
        postgresql_where="task_id IS NOT NULL AND kind <> 'charge'",
    )
    op.drop_constraint(op.f("tasks_refunded_at_most_the_charge"), "tasks", type_="check")
    op.drop_column("tasks", "refunded_micros")
