"""Sessions of pages and links into them; passwords and second factors of operators."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0144"
down_revision: str | None = "0143"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
OF_OPERATORS = {
    "password_hash": sa.Text(),
    "totp_sealed": sa.Text(),
    "totp_step": sa.BigInteger(),
}


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False)


def _stamped(name: str) -> "sa.Column[object]":
    return sa.Column(name, TIME, server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, kind in OF_OPERATORS.items():
        op.add_column("operators", sa.Column(name, kind, nullable=True))
    op.create_table(
        "web_sessions",
        _id(),
        sa.Column("session_hash", sa.LargeBinary(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=True),
        sa.Column("machine_user", sa.Text(), nullable=True),
        _stamped("created_at"),
        _stamped("seen_at"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.CheckConstraint(
            "(operator_id IS NULL) <> (machine_user IS NULL)",
            name=op.f("web_sessions_is_somebodys"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("web_sessions_operator_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("web_sessions_pkey")),
        sa.UniqueConstraint("session_hash", name=op.f("web_sessions_session_hash_key")),
    )
    op.create_index(op.f("web_sessions_operator_id_idx"), "web_sessions", ["operator_id"])
    op.create_table(
        "login_links",
        _id(),
        sa.Column("link_hash", sa.LargeBinary(), nullable=False),
        sa.Column("machine_user", sa.Text(), nullable=False),
        _stamped("created_at"),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("login_links_pkey")),
        sa.UniqueConstraint("link_hash", name=op.f("login_links_link_hash_key")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("login_links")
    op.drop_table("web_sessions")
    for name in OF_OPERATORS:
        op.drop_column("operators", name)
