"""Invoices: for whom, over what, and their files."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0135"
down_revision: str | None = "0134"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")
TEXTS = ("tax_id", "address", "phone", "bank", "bank_account", "mail")
TABLES = ("invoice_files", "invoice_items", "invoices", "invoice_profiles")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "invoice_profiles",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in TEXTS),
        sa.Column("changed_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "kind IN ('special', 'general', 'plain')", name=op.f("invoice_profiles_kind_known")
        ),
        sa.CheckConstraint(
            "basis IN ('topups', 'statements')", name=op.f("invoice_profiles_basis_known")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("invoice_profiles_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("invoice_profiles_pkey")),
        sa.UniqueConstraint(
            "account_id", "basis", name=op.f("invoice_profiles_account_id_basis_key")
        ),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("live_basis", sa.Text(), nullable=True),
        sa.Column("month", sa.Text(), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("profile", postgresql.JSONB(), nullable=False),
        sa.Column("requested_at", TIME, server_default=NOW, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("issued_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'issued', 'rejected', 'reversed')",
            name=op.f("invoices_state_known"),
        ),
        sa.CheckConstraint(
            "is_live = (state IN ('requested', 'issued'))", name=op.f("invoices_live_by_state")
        ),
        sa.CheckConstraint(
            "(live_basis IS NOT NULL) = is_live", name=op.f("invoices_live_has_basis")
        ),
        sa.CheckConstraint(
            "(basis = 'statements') = (month IS NOT NULL)", name=op.f("invoices_month_by_basis")
        ),
        sa.CheckConstraint("live_basis = basis", name=op.f("invoices_one_basis")),
        sa.CheckConstraint(
            "(number IS NOT NULL) = (state IN ('issued', 'reversed'))",
            name=op.f("invoices_number_by_state"),
        ),
        sa.CheckConstraint(
            "(reason IS NOT NULL) = (state IN ('rejected', 'reversed'))",
            name=op.f("invoices_reason_by_state"),
        ),
        sa.CheckConstraint("amount_micros > 0", name=op.f("invoices_amount_positive")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("invoices_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "live_basis"],
            ["invoice_profiles.account_id", "invoice_profiles.basis"],
            name="invoices_live_basis_fkey",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("invoices_pkey")),
        sa.UniqueConstraint("id", "is_live", name=op.f("invoices_id_is_live_key")),
        sa.UniqueConstraint("number", name=op.f("invoices_number_key")),
    )
    op.create_index(op.f("invoices_account_id_id_idx"), "invoices", ["account_id", "id"])
    op.create_table(
        "invoice_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("month", sa.Text(), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(entry_id IS NULL) <> (month IS NULL)", name=op.f("invoice_items_one_thing")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("invoice_items_entry_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id", "is_live"],
            ["invoices.id", "invoices.is_live"],
            name="invoice_items_invoice_fkey",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "month"],
            ["closed_months.account_id", "closed_months.month"],
            name="invoice_items_month_fkey",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("invoice_items_pkey")),
    )
    op.create_index(
        "invoice_items_one_entry",
        "invoice_items",
        ["entry_id"],
        unique=True,
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(
        "invoice_items_one_month",
        "invoice_items",
        ["account_id", "month"],
        unique=True,
        postgresql_where=sa.text("is_live"),
    )
    op.create_index(op.f("invoice_items_invoice_id_idx"), "invoice_items", ["invoice_id"])
    op.create_table(
        "invoice_files",
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "octet_length(bytes) BETWEEN 1 AND 5242880", name=op.f("invoice_files_size")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name=op.f("invoice_files_invoice_id_fkey")
        ),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("invoice_files_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.drop_table(table)
