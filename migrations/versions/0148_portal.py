"""Sessions of tenants in the portal, and links into it.

Tables of their own, and not columns beside operators' sessions: the release before would take a
session that is no operator's for that of a machine's own user, who may do all.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0148"
down_revision: str | None = "0147"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False)


def _token() -> sa.Column[int]:
    return sa.Column("token_id", sa.BigInteger(), nullable=False)


def _stamped(name: str) -> "sa.Column[object]":
    return sa.Column(name, TIME, server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "portal_sessions",
        _id(),
        sa.Column("session_hash", sa.LargeBinary(), nullable=False),
        _token(),
        _stamped("created_at"),
        _stamped("seen_at"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("portal_sessions_token_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("portal_sessions_pkey")),
        sa.UniqueConstraint("session_hash", name=op.f("portal_sessions_session_hash_key")),
    )
    op.create_index(op.f("portal_sessions_token_id_idx"), "portal_sessions", ["token_id"])
    op.create_table(
        "portal_links",
        _id(),
        sa.Column("link_hash", sa.LargeBinary(), nullable=False),
        _token(),
        _stamped("created_at"),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["token_id"], ["tokens.id"], name=op.f("portal_links_token_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("portal_links_pkey")),
        sa.UniqueConstraint("link_hash", name=op.f("portal_links_link_hash_key")),
    )
    op.create_index(op.f("portal_links_token_id_idx"), "portal_links", ["token_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("portal_links")
    op.drop_table("portal_sessions")
