"""Bounds that an operator set of keys, which no key lifts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0155"
down_revision: str | None = "0154"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

oldest_code = "0116"  # by which key a limit was set is shown alone


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("tokens", sa.Column("operator_set", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("limits", sa.Column("allowed_max", sa.BigInteger(), nullable=True))
    # A limit that came with what a key made, in its transaction, and that no operator set since,
    # was written as an operator's are.
    op.execute(
        """
        UPDATE limits l SET set_by_id = m.made_by_id
        FROM (
            SELECT k.id AS token_id, k.tenant_id, k.made_by_id, k.created_at FROM tokens k
            UNION ALL
            SELECT NULL, n.id, n.made_by_id, n.created_at FROM tenants n
        ) m
        WHERE l.set_by_id IS NULL AND m.made_by_id IS NOT NULL AND l.tenant_id = m.tenant_id
            AND l.token_id IS NOT DISTINCT FROM m.token_id AND l.created_at = m.created_at
            AND NOT EXISTS (
                SELECT FROM changes c
                WHERE c.act = 'limit.set' AND c.actor NOT LIKE 'tenant:%'
                    AND c.subject_kind = CASE WHEN l.token_id IS NULL THEN 'tenant' ELSE 'token' END
                    AND c.subject_id = coalesce(l.token_id, l.tenant_id)
            )
        """
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("limits", "allowed_max")
    op.drop_column("tokens", "operator_set")
