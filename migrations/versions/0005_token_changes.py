"""Count changes of tokens and tenants, so that a relay may remember them until there is one.

By triggers: whoever changes a row, by whatever means, is counted. The count is a row and no
sequence, since a reader must see it change together with what was changed. It is written at the
commit, so that a transaction that stays open holds up nobody who revokes a token, and it never
comes to a number again, though a backup was restored meanwhile. Up, it locks no reader out; down, it
does for a moment.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTED = ("tokens", "tenants")
MOMENT = "extract(epoch FROM clock_timestamp()) * 1000000"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "token_changes",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("token_changes_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("token_changes_pkey")),
    )
    op.execute(f"INSERT INTO token_changes (number) VALUES ({MOMENT})")  # noqa: S608 (constants)
    op.execute(
        f"""
        CREATE FUNCTION count_token_change() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            UPDATE token_changes SET number = greatest(number + 1, {MOMENT});
            RETURN NULL;
        END $$
        """  # noqa: S608 (constants)
    )
    for table in COUNTED:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER changes_are_counted AFTER INSERT OR UPDATE OR DELETE"
            f" ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION count_token_change()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in COUNTED:
        op.execute(f"DROP TRIGGER changes_are_counted ON {table}")
    op.execute("DROP FUNCTION count_token_change()")
    op.drop_table("token_changes")
