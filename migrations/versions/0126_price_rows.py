"""Prices and multipliers with the time for which they hold, for all, a price group or a tenant.

`prices` and `tenants.multiplier` are copied, and stay for the release before, which reads nothing
else: the desk writes both. What that release itself changes meanwhile is not in the new tables, so
prices are set by the new one once it has migrated.

A change of any price is counted in `price_state`, so that processes read prices again only then.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0126"
down_revision: str | None = "0125"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
oldest_code = "0116"  # it fires no trigger that could fail, and has no columns of ours to fill

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")
KEY = ("endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s")
PRICED = (*KEY, "kind", "per", "units", "amount_micros", "pack", "multiplier", "hold_seconds")
PRICED = (*PRICED, "input_floor")
COUNTED = {
    "price_rows": "INSERT OR UPDATE OR DELETE",
    "multipliers": "INSERT OR UPDATE OR DELETE",
    "price_lists": "INSERT OR DELETE",
    "price_underquotes": "UPDATE OF rise OR DELETE",
}


def _dated(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("price_group", sa.Text(), nullable=True),
        sa.Column("valid_from", TIME, server_default=NOW, nullable=False),
        sa.Column("valid_to", TIME, nullable=True),
        sa.Column("hour_from", sa.SmallInteger(), nullable=True),
        sa.Column("hour_to", sa.SmallInteger(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f(f"{table}_ends_later")),
        sa.CheckConstraint(
            "tenant_id IS NULL OR price_group IS NULL", name=op.f(f"{table}_for_one")
        ),
        sa.CheckConstraint(
            "(hour_from IS NULL) = (hour_to IS NULL) AND hour_from <> hour_to"
            " AND hour_from BETWEEN 0 AND 23 AND hour_to BETWEEN 1 AND 24",
            name=op.f(f"{table}_hours_of_a_day"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f(f"{table}_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"{table}_pkey")),
    ]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "price_rows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("sound", sa.Boolean(), nullable=True),
        sa.Column("voice", sa.Boolean(), nullable=True),
        sa.Column("video_input", sa.Boolean(), nullable=True),
        sa.Column("duration_s", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("per", sa.Text(), nullable=False),
        sa.Column("units", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("pack", sa.Text(), server_default=sa.text("'video'"), nullable=False),
        sa.Column(
            "multiplier",
            sa.Numeric(precision=12, scale=6),
            server_default=sa.text("1"),
            nullable=False,
        ),
        sa.Column("hold_seconds", sa.Integer(), nullable=True),
        sa.Column("input_floor", sa.Numeric(precision=12, scale=6), nullable=True),
        sa.CheckConstraint("kind IN ('units', 'fixed')", name=op.f("price_rows_kind_known")),
        sa.CheckConstraint("per IN ('task', 'second', 'image')", name=op.f("price_rows_per_known")),
        sa.CheckConstraint("pack IN ('video', 'image')", name=op.f("price_rows_pack_known")),
        sa.CheckConstraint(
            "(kind = 'units') = (units IS NOT NULL)", name=op.f("price_rows_units_has_units")
        ),
        sa.CheckConstraint(
            "(kind = 'fixed') = (amount_micros IS NOT NULL)",
            name=op.f("price_rows_fixed_has_amount"),
        ),
        sa.CheckConstraint(
            "units >= 0 AND amount_micros >= 0 AND multiplier >= 0",
            name=op.f("price_rows_not_negative"),
        ),
        sa.CheckConstraint(
            "input_floor IS NULL OR (input_floor >= 0 AND per = 'second')",
            name=op.f("price_rows_input_floor_of_seconds"),
        ),
        *_dated("price_rows"),
    )
    op.create_index(
        "price_rows_slot",
        "price_rows",
        [*KEY, "tenant_id", "price_group", "hour_from", "valid_from"],
    )
    op.create_table(
        "multipliers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("multiplier", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.CheckConstraint("multiplier >= 0", name=op.f("multipliers_not_negative")),
        *_dated("multipliers"),
    )
    op.create_index(
        "multipliers_slot", "multipliers", ["tenant_id", "price_group", "hour_from", "valid_from"]
    )
    op.create_table(
        "price_state",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("multiplies_amounts", sa.Boolean(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("price_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("price_state_pkey")),
    )
    op.add_column("tenants", sa.Column("price_group", sa.Text(), nullable=True))
    columns = ", ".join(PRICED)
    op.execute("INSERT INTO price_state (number) VALUES (1)")
    op.execute(
        f"INSERT INTO price_rows ({columns}, valid_from, created_at)"  # noqa: S608 (constants)
        f" SELECT {columns}, created_at, created_at FROM prices ORDER BY id"
    )
    op.execute(
        "INSERT INTO multipliers (multiplier, tenant_id, valid_from)"
        " SELECT multiplier, id, created_at FROM tenants WHERE multiplier <> 1 ORDER BY id"
    )
    _count_changes()


def _count_changes() -> None:
    """Number them at the commit, as those of tokens: what is read then was changed by then."""
    op.execute(
        """
        CREATE FUNCTION count_price_change() RETURNS trigger LANGUAGE plpgsql
        SET search_path = '' AS $$
        BEGIN
            EXECUTE format(
                'UPDATE %I.price_state SET number = number + 1'
                ' WHERE xmin <> pg_current_xact_id()::xid',
                TG_TABLE_SCHEMA
            );
            RETURN NULL;
        END $$
        """
    )
    for table, moves in COUNTED.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER changes_are_counted AFTER {moves}"
            f" ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION count_price_change()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in COUNTED:
        op.execute(f"DROP TRIGGER changes_are_counted ON {table}")
    op.execute("DROP FUNCTION count_price_change()")
    op.drop_column("tenants", "price_group")
    op.drop_table("price_state")
    op.drop_index("multipliers_slot", table_name="multipliers")
    op.drop_table("multipliers")
    op.drop_index("price_rows_slot", table_name="price_rows")
    op.drop_table("price_rows")
