"""Redeem codes, in batches; only their hashes are kept."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0143"
down_revision: str | None = "0142"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "code_batches",
        _id(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("topup_kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "topup_kind IN ('paid', 'bonus', 'correction')",
            name=op.f("code_batches_topup_kind_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("code_batches_pkey")),
        sa.UniqueConstraint("name", name=op.f("code_batches_name_key")),
        sa.UniqueConstraint("source", name=op.f("code_batches_source_key")),
    )
    op.create_table(
        "codes",
        _id(),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, TIME, nullable=True)
            for name in ("expires_at", "revoked_at", "redeemed_at")
        ),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount_micros > 0", name=op.f("codes_adds_something")),
        sa.CheckConstraint(
            "(redeemed_at IS NULL) = (entry_id IS NULL)"
            " AND (redeemed_at IS NULL) = (tenant_id IS NULL)",
            name=op.f("codes_redeemed_is_whole"),
        ),
        sa.CheckConstraint(
            "redeemed_at IS NULL OR revoked_at IS NULL", name=op.f("codes_ends_once")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["code_batches.id"], name=op.f("codes_batch_id_fkey")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("codes_tenant_id_fkey")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("codes_entry_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("codes_pkey")),
        sa.UniqueConstraint("code_hash", name=op.f("codes_code_hash_key")),
        sa.UniqueConstraint("entry_id", name=op.f("codes_entry_id_key")),
    )
    op.create_index(op.f("codes_batch_id_id_idx"), "codes", ["batch_id", "id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("codes")
    op.drop_table("code_batches")
