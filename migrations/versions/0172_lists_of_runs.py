"""Runs by state and kind, what is to be forgotten of a tenant's, and moves of one run."""

from collections.abc import Sequence

from alembic import op

revision: str = "0172"
down_revision: str | None = "0171"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("runs_by_state", "runs", ["tenant_id", "state", "id"], unique=False)
    op.create_index(
        "runs_by_kind_and_state", "runs", ["tenant_id", "kind", "state", "id"], unique=False
    )
    op.create_index("runs_of_kind", "runs", ["tenant_id", "kind", "id"], unique=False)
    op.create_index(
        "runs_inputs_of_tenant",
        "runs",
        ["tenant_id", "ended_at"],
        unique=False,
        postgresql_where="ended_at IS NOT NULL AND input_sealed IS NOT NULL",
    )
    op.create_index("run_events_of_run", "run_events", ["run_id", "xact", "id"], unique=False)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("run_events_of_run", table_name="run_events")
    op.drop_index("runs_inputs_of_tenant", table_name="runs")
    op.drop_index("runs_of_kind", table_name="runs")
    op.drop_index("runs_by_kind_and_state", table_name="runs")
    op.drop_index("runs_by_state", table_name="runs")
