"""Days of usage that are summed up once, and the marks of those that changed afterwards.

Triggers, so that whoever writes is covered, a person with psql too. They fire of what is an hour
old: what is younger is in no day that was summed up yet (`relay/usage/roll.py` waits for longer).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0150"
down_revision: str | None = "0149"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # what it writes fires triggers that only add a row to a table of their own

TIME = sa.DateTime(timezone=True)
FIGURES = (
    *("tasks", "succeeded", "failed", "refused", "charges", "seconds", "images"),
    *("charged_micros", "resold_micros", "cost_micros", "at_list", "uncharged", "without_cost"),
    "without_cost_micros",
)
READ = (
    *("state", "hold_micros", "cost_units", "cost_pack", "cost_cash", "cost_currency", "ended_at"),
    *("created_at", "account_id", "tenant_id", "token_id", "channel_id", "model", "endpoint"),
    *("pack", "quote"),
)
"""Columns of tasks that usage is made of."""
IS_OLD = "{row}.created_at < clock_timestamp() - interval '1 hour'"
# Entries of a task by two partial indexes: there is none of all of them.
MARK = """
CREATE FUNCTION mark_rolled_days() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    first_at timestamptz;
    second_at timestamptz;
    of_task bigint;
BEGIN
    IF TG_OP = 'DELETE' THEN
        first_at := OLD.created_at; of_task := OLD.id;
    ELSIF TG_TABLE_NAME = 'entries' THEN
        first_at := NEW.created_at; of_task := NEW.task_id;
    ELSE
        first_at := NEW.created_at; of_task := NEW.id;
        IF TG_OP = 'UPDATE' THEN
            second_at := OLD.created_at;
        END IF;
    END IF;
    EXECUTE format(
        'INSERT INTO %1$I.rolled_marks (at)'
        ' SELECT $1 UNION SELECT $2 WHERE $2 IS NOT NULL'
        ' UNION SELECT created_at FROM %1$I.entries WHERE task_id = $3 AND kind = ''charge'''
        ' UNION SELECT created_at FROM %1$I.entries WHERE task_id = $3 AND kind <> ''charge''',
        TG_TABLE_SCHEMA
    ) USING first_at, second_at, of_task;
    RETURN NULL;
END $$
"""
KEEP_TESTS = """
CREATE FUNCTION refuse_other_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'whether a token is for tests is said when it is made: issue another one';
END $$
"""


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False)


def _lines(table: str, *keys: str) -> None:
    op.create_table(
        table,
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in keys),
        sa.Column("day_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("endpoint", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in FIGURES),
        sa.ForeignKeyConstraint(
            ["day_id"],
            ["rolled_days.id"],
            name=op.f(f"{table}_day_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("day_id", "line", name=op.f(f"{table}_pkey")),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "rolled_days",
        _id(),
        sa.Column("start_at", TIME, nullable=False),
        sa.Column("until_at", TIME, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("costs", sa.BigInteger(), nullable=False),
        sa.Column("ended_until", TIME, nullable=False),
        sa.Column("rolled_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("rolled_days_pkey")),
        sa.UniqueConstraint("start_at", "until_at", name=op.f("rolled_days_start_at_until_at_key")),
    )
    _lines("rolled_usage", "account_id", "tenant_id", "token_id")
    op.create_index(
        op.f("rolled_usage_tenant_id_day_id_idx"), "rolled_usage", ["tenant_id", "day_id"]
    )
    _lines("rolled_whole")
    op.create_table(
        "rolled_marks",
        _id(),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("rolled_marks_pkey")),
    )
    op.create_index(op.f("rolled_marks_at_idx"), "rolled_marks", ["at"])
    op.execute(MARK)
    op.execute(KEEP_TESTS)
    # Entries first, as what charges locks them.
    op.execute(
        "CREATE TRIGGER late_entries_are_marked AFTER INSERT ON entries FOR EACH ROW"
        f" WHEN (NEW.task_id IS NOT NULL AND {IS_OLD.format(row='NEW')})"
        " EXECUTE FUNCTION mark_rolled_days()"
    )
    for event, row in (("INSERT", "NEW"), ("DELETE", "OLD")):
        op.execute(
            f"CREATE TRIGGER late_{event.lower()}s_are_marked AFTER {event} ON tasks FOR EACH ROW"
            f" WHEN ({IS_OLD.format(row=row)}) EXECUTE FUNCTION mark_rolled_days()"
        )
    old, new = (", ".join(f"{row}.{name}" for name in READ) for row in ("OLD", "NEW"))
    op.execute(
        f"CREATE TRIGGER late_changes_are_marked AFTER UPDATE OF {', '.join(READ)} ON tasks"
        f" FOR EACH ROW WHEN (({IS_OLD.format(row='OLD')} OR {IS_OLD.format(row='NEW')})"
        f" AND ({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION mark_rolled_days()"
    )
    op.execute(
        "CREATE TRIGGER tests_stay_tests BEFORE UPDATE OF is_test ON tokens FOR EACH ROW"
        " WHEN (OLD.is_test IS DISTINCT FROM NEW.is_test) EXECUTE FUNCTION refuse_other_test()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER late_entries_are_marked ON entries")
    for name in ("late_inserts", "late_deletes", "late_changes"):
        op.execute(f"DROP TRIGGER {name}_are_marked ON tasks")
    op.execute("DROP TRIGGER tests_stay_tests ON tokens")
    op.execute("DROP FUNCTION refuse_other_test()")
    op.execute("DROP FUNCTION mark_rolled_days()")
    for table in ("rolled_marks", "rolled_whole", "rolled_usage", "rolled_days"):
        op.drop_table(table)
