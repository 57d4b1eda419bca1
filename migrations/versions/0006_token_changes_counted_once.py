"""Count a transaction's changes of tokens and tenants once, wherever the tables stand.

Each of its rows updated the one counter again, past all dead versions of it: 16 s for 40,000
tenants, while nobody could revoke a token. And the counter was looked for in the search path of
whoever ran the migration, whose `$user` is somebody else for an operator in another role.

Under REPEATABLE READ and above, a transaction that changes a token fails at its commit
(serialization_failure) if another one changed any meanwhile; ours all run at READ COMMITTED. A role
of your own that may change them needs SELECT and UPDATE on token_changes.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MOMENT = "extract(epoch FROM clock_timestamp()) * 1000000"


def upgrade() -> None:
    # xmin: the counter's row as this transaction has already written it needs no second version.
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION count_token_change() RETURNS trigger LANGUAGE plpgsql
        SET search_path = '' AS $$
        BEGIN
            EXECUTE format(
                'UPDATE %I.token_changes SET number = greatest(number + 1, {MOMENT})'
                ' WHERE xmin <> pg_current_xact_id()::xid',
                TG_TABLE_SCHEMA
            );
            RETURN NULL;
        END $$
        """  # noqa: S608 (constants)
    )


def downgrade() -> None:
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION count_token_change() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            UPDATE token_changes SET number = greatest(number + 1, {MOMENT});
            RETURN NULL;
        END $$
        """  # noqa: S608 (constants)
    )
