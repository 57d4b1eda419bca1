"""Channels and tenants are removed: their rows stay, with when.

Holds up nothing: both tables are small, and a column without a default is added at once.
The previous version's code sees a removed one as disabled.
"""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None

CREDENTIAL = "access_key IS NOT NULL OR api_key_sealed IS NOT NULL"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("channels", "tenants"):
        op.add_column(table, sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
        op.create_check_constraint(
            op.f(f"{table}_removed_is_disabled"), table, "removed_at IS NULL OR NOT enabled"
        )
    op.drop_constraint(op.f("channels_has_a_credential"), "channels")
    op.create_check_constraint(
        op.f("channels_has_a_credential"), "channels", f"{CREDENTIAL} OR removed_at IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Where its keys are erased already, a removed channel could not stay without a placeholder.
    op.execute(
        "UPDATE channels SET api_key_sealed = 'removed'"
        " WHERE access_key IS NULL AND api_key_sealed IS NULL"
    )
    op.drop_constraint(op.f("channels_has_a_credential"), "channels")
    op.create_check_constraint(op.f("channels_has_a_credential"), "channels", CREDENTIAL)
    for table in ("channels", "tenants"):
        op.drop_constraint(op.f(f"{table}_removed_is_disabled"), table)
        op.drop_column(table, "removed_at")
