"""Places at which tenants are told of their business, and what they are told."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0140"
down_revision: str | None = "0139"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")
WEBHOOK_ID = sa.text("('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text))")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "notice_places",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("url_sealed", sa.Text(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("low_micros", sa.BigInteger(), nullable=True),
        sa.Column("busy_until", TIME, server_default=NOW, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "kind IN ('webhook', 'mail', 'feishu', 'dingtalk', 'wecom')",
            name=op.f("notice_places_kind_known"),
        ),
        sa.CheckConstraint("lang IN ('zh', 'en')", name=op.f("notice_places_lang_known")),
        sa.CheckConstraint("low_micros >= 0", name=op.f("notice_places_low_not_negative")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="notice_places_tenant_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="notice_places_pkey"),
    )
    op.create_index("notice_places_tenant_id_idx", "notice_places", ["tenant_id"])
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("webhook_id", sa.Text(), server_default=WEBHOOK_ID, nullable=False),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'due'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", TIME, server_default=NOW, nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "state IN ('due', 'sent', 'dead', 'known')", name=op.f("notices_state_known")
        ),
        sa.CheckConstraint(
            "lease IS NULL OR state = 'due'", name=op.f("notices_leased_only_if_due")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"],
            ["notice_places.id"],
            name="notices_place_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="notices_pkey"),
        sa.UniqueConstraint("place_id", "event", "key", name="notices_told_once"),
    )
    op.create_index(
        "notices_due",
        "notices",
        ["place_id", "next_attempt_at"],
        postgresql_where="state = 'due'",
    )
    op.create_index("notices_dead", "notices", ["ended_at"], postgresql_where="state = 'dead'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("notices", "notice_places"):
        op.drop_table(table)
