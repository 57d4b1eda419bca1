"""Every table of the first version, and the rules that no constraint can say.

Entries and the desk's changes are final: a trigger refuses any change of them. So is who follows a
task, which the statements that move it read in an older snapshot than the task itself.

An account is neither deleted nor renumbered: tasks name theirs without a foreign key, whose look at
the account's row, the hottest of all, took 7 % of HOLD (docs/speed.md).

Changes of tokens and tenants are counted, so that a relay may remember them until there is one. By
triggers: whoever changes a row, by whatever means, is counted. The count is a row and no sequence,
since a reader must see it change together with what was changed. It is written at the commit, once
for all rows of a transaction (a row each cost 16 s for 40,000 tenants), so that a transaction that
stays open holds up nobody who revokes a token, and it never comes to a number again, though a backup
was restored meanwhile. The counter is looked for beside the table that was changed, not in the search
path of whoever runs the migration, whose `$user` is somebody else for an operator in another role.

Under REPEATABLE READ and above, a transaction that changes a token fails at its commit
(serialization_failure) if another one changed any meanwhile; ours all run at READ COMMITTED. A role
of your own that may change them needs SELECT and UPDATE on token_changes.

Revisions 0001 to 0006 were those of checkouts before the first release, whose tables were others. Their
numbers are not used again, so that nobody takes such a database for one of ours.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from relay.database.xid8 import Xid8

revision: str = "0101"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTED = ("tokens", "tenants")
MOMENT = "extract(epoch FROM clock_timestamp()) * 1000000"
FINAL = ("entries", "changes")
"""Tables whose rows are never changed."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("quota_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_holds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tasks_max", sa.Integer(), nullable=True),
        sa.CheckConstraint("held_micros >= 0", name=op.f("accounts_held_not_negative")),
        sa.CheckConstraint("open_holds >= 0", name=op.f("accounts_open_holds_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "books",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("id = 1", name=op.f("books_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("books_pkey")),
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "before", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "after", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("changes_pkey")),
    )
    op.create_index(op.f("changes_actor_id_idx"), "changes", ["actor", "id"], unique=False)
    op.create_index(
        op.f("changes_subject_id_idx"),
        "changes",
        ["subject", "id"],
        unique=False,
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("access_key", sa.Text(), nullable=True),
        sa.Column("secret_key_sealed", sa.Text(), nullable=True),
        sa.Column("api_key_sealed", sa.Text(), nullable=True),
        sa.Column("webhook_secret_sealed", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("weight", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("callback_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(access_key IS NULL) = (secret_key_sealed IS NULL)",
            name=op.f("channels_pair_is_whole"),
        ),
        sa.CheckConstraint(
            "access_key IS NOT NULL OR api_key_sealed IS NOT NULL",
            name=op.f("channels_has_a_credential"),
        ),
        sa.CheckConstraint("weight > 0", name=op.f("channels_weight_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("channels_pkey")),
        sa.UniqueConstraint("name", name=op.f("channels_name_key")),
    )
    op.create_table(
        "deployment",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("external_prefix", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("id = 1", name=op.f("deployment_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("deployment_pkey")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("follower", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("xact", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
    )
    op.create_index(op.f("outbox_created_at_idx"), "outbox", ["created_at"], unique=False)
    op.create_index(
        "outbox_due",
        "outbox",
        ["follower", "next_attempt_at"],
        unique=False,
        postgresql_where="done_at IS NULL",
    )
    op.create_index("outbox_in_order", "outbox", ["follower", "xact", "id"], unique=False)
    op.create_index(
        "outbox_of_task",
        "outbox",
        ["task_id", "id"],
        unique=False,
        postgresql_where="done_at IS NULL",
    )
    op.create_table(
        "price_misses",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("wanted", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "first_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("price_misses_pkey")),
    )
    op.create_table(
        "prices",
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
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(kind = 'fixed') = (amount_micros IS NOT NULL)", name=op.f("prices_fixed_has_amount")
        ),
        sa.CheckConstraint(
            "(kind = 'units') = (units IS NOT NULL)", name=op.f("prices_units_has_units")
        ),
        sa.CheckConstraint("kind IN ('units', 'fixed')", name=op.f("prices_kind_known")),
        sa.CheckConstraint("pack IN ('video', 'image')", name=op.f("prices_pack_known")),
        sa.CheckConstraint("per IN ('task', 'second', 'image')", name=op.f("prices_per_known")),
        sa.CheckConstraint("units >= 0 AND amount_micros >= 0", name=op.f("prices_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("prices_pkey")),
    )
    op.create_index(
        "prices_key",
        "prices",
        ["endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "token_changes",
        sa.Column("id", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("token_changes_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("token_changes_pkey")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "multiplier",
            sa.Numeric(precision=12, scale=6),
            server_default=sa.text("1"),
            nullable=False,
        ),
        sa.Column("shows_quote", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("multiplier >= 0", name=op.f("tenants_multiplier_not_negative")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("tenants_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("tenants_pkey")),
        sa.UniqueConstraint("name", name=op.f("tenants_name_key")),
    )
    op.create_index(op.f("tenants_account_id_idx"), "tenants", ["account_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("access_key", sa.Text(), nullable=True),
        sa.Column("secret_key_sealed", sa.Text(), nullable=True),
        sa.Column("api_key_hash", sa.LargeBinary(), nullable=True),
        sa.Column("api_key_hint", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(access_key IS NULL) = (secret_key_sealed IS NULL)", name=op.f("tokens_pair_is_whole")
        ),
        sa.CheckConstraint(
            "access_key IS NOT NULL OR api_key_hash IS NOT NULL",
            name=op.f("tokens_has_a_credential"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("tokens_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("tokens_pkey")),
        sa.UniqueConstraint("access_key", name=op.f("tokens_access_key_key")),
        sa.UniqueConstraint("api_key_hash", name=op.f("tokens_api_key_hash_key")),
    )
    op.create_index(op.f("tokens_tenant_id_idx"), "tokens", ["tenant_id"], unique=False)
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("secret_sealed", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("webhook_secrets_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_secrets_pkey")),
    )
    op.create_index(
        op.f("webhook_secrets_tenant_id_idx"), "webhook_secrets", ["tenant_id"], unique=False
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "channels_tried", postgresql.ARRAY(sa.BigInteger()), server_default="{}", nullable=False
        ),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kling_id", sa.Text(), nullable=True),
        sa.Column("injected_id", sa.Text(), nullable=False),
        sa.Column("tenant_external_id", sa.Text(), nullable=True),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("kling_request_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("pack", sa.Text(), server_default=sa.text("'video'"), nullable=False),
        sa.Column("quote", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("hold_micros", sa.BigInteger(), nullable=False),
        sa.Column("hold_ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("charged_micros", sa.BigInteger(), nullable=True),
        sa.Column("deduction", sa.Text(), nullable=True),
        sa.Column("cost_units", sa.Numeric(), nullable=True),
        sa.Column("cost_pack", sa.Text(), nullable=True),
        sa.Column("cost_cash", sa.Numeric(), nullable=True),
        sa.Column("cost_currency", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("submit_deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_via", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("is_reply_full", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("fail_message", sa.Text(), nullable=True),
        sa.Column("result_ids", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("result_urls", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "refresh_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("look_lease", sa.Uuid(), nullable=True),
        sa.Column("not_found", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_found_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("follows", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("is_flagged", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "(charged_micros IS NOT NULL) = (state = 'succeed')",
            name=op.f("tasks_charged_iff_succeed"),
        ),
        sa.CheckConstraint(
            "(hold_ended_at IS NULL) = (state IN ('pending', 'unknown', 'submitted', 'processing'))",
            name=op.f("tasks_open_hold_iff_live"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'unknown', 'submitted', 'processing', 'succeed', 'failed', 'refused')",
            name=op.f("tasks_state_known"),
        ),
        sa.CheckConstraint(
            "charged_micros BETWEEN 0 AND hold_micros", name=op.f("tasks_charged_at_most_the_hold")
        ),
        sa.CheckConstraint("hold_micros >= 0", name=op.f("tasks_hold_not_negative")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("tasks_channel_id_fkey")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("tasks_tenant_id_fkey")),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("tasks_token_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("tasks_pkey")),
        sa.UniqueConstraint("injected_id", name=op.f("tasks_injected_id_key")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "tasks_due",
        "tasks",
        ["next_look_at"],
        unique=False,
        postgresql_where="next_look_at IS NOT NULL",
    )
    op.create_index("tasks_flagged", "tasks", ["id"], unique=False, postgresql_where="is_flagged")
    op.create_index(
        "tasks_kling_key",
        "tasks",
        ["kling_id", "channel_id"],
        unique=True,
        postgresql_where="kling_id IS NOT NULL",
    )
    op.create_index(
        "tasks_kling_request",
        "tasks",
        ["kling_request_id"],
        unique=False,
        postgresql_where="kling_request_id IS NOT NULL",
    )
    op.create_index(
        "tasks_list",
        "tasks",
        ["tenant_id", "endpoint", "id"],
        unique=False,
        postgresql_where="kling_id IS NOT NULL AND state <> 'refused'",
    )
    op.create_index(
        "tasks_open",
        "tasks",
        ["account_id"],
        unique=False,
        postgresql_where="hold_ended_at IS NULL",
    )
    op.create_index(op.f("tasks_request_id_idx"), "tasks", ["request_id"], unique=False)
    op.create_index(
        "tasks_tenant_external_id",
        "tasks",
        ["tenant_id", "tenant_external_id"],
        unique=True,
        postgresql_where="state <> 'refused' AND tenant_external_id IS NOT NULL",
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column(
            "webhook_id",
            sa.Text(),
            server_default=sa.text(
                "('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text))"
            ),
            nullable=False,
        ),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column(
            "host",
            sa.Text(),
            sa.Computed(
                "coalesce(lower(substring(url, '^[A-Za-z]+://(?:[^/?#]*@)?([^/?#]*)'::text)), ''::text)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("task_status", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'due'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("retried_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "lease IS NULL OR state = 'due'", name=op.f("deliveries_leased_only_if_due")
        ),
        sa.CheckConstraint(
            "state IN ('due', 'delivered', 'superseded', 'dead')",
            name=op.f("deliveries_state_known"),
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("deliveries_task_id_fkey")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("deliveries_tenant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
        sa.UniqueConstraint("webhook_id", name=op.f("deliveries_webhook_id_key")),
    )
    op.create_index(
        "deliveries_due_of_task",
        "deliveries",
        ["task_id", "id"],
        unique=False,
        postgresql_where="state = 'due'",
    )
    op.create_index(
        "deliveries_lanes",
        "deliveries",
        ["tenant_id", "host", "next_attempt_at"],
        unique=False,
        postgresql_where="state = 'due'",
    )
    op.create_index(op.f("deliveries_task_id_idx"), "deliveries", ["task_id"], unique=False)
    op.create_index(
        op.f("deliveries_tenant_id_id_idx"), "deliveries", ["tenant_id", "id"], unique=False
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), server_default=sa.text("'relay'"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'topup' THEN amount_micros > 0 AND reference IS NOT NULL WHEN 'adjust' THEN amount_micros <> 0 AND reason IS NOT NULL WHEN 'charge' THEN amount_micros <= 0 AND task_id IS NOT NULL WHEN 'refund' THEN amount_micros >= 0 AND task_id IS NOT NULL AND reason IS NOT NULL ELSE false END",
            name=op.f("entries_kind_fits"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("entries_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("entries_task_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("entries_pkey")),
    )
    op.create_index(
        op.f("entries_account_id_id_idx"), "entries", ["account_id", "id"], unique=False
    )
    op.create_index(
        "entries_one_charge",
        "entries",
        ["task_id"],
        unique=True,
        postgresql_where="kind = 'charge'",
    )
    op.create_index(
        "entries_one_refund",
        "entries",
        ["task_id"],
        unique=True,
        postgresql_where="kind = 'refund'",
    )
    op.create_index(
        "entries_one_topup",
        "entries",
        ["account_id", "reference"],
        unique=True,
        postgresql_where="kind = 'topup'",
    )
    op.create_table(
        "owners",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('video', 'audio', 'element', 'voice', 'session')",
            name=op.f("owners_kind_known"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("owners_channel_id_fkey")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("owners_task_id_fkey")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("owners_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("owners_pkey")),
    )
    op.create_index(
        "owners_deleted",
        "owners",
        ["task_id"],
        unique=False,
        postgresql_where="deleted_at IS NOT NULL",
    )
    op.create_index("owners_key", "owners", ["resource_id", "kind", "channel_id"], unique=True)
    op.create_index(
        op.f("owners_tenant_id_kind_id_idx"), "owners", ["tenant_id", "kind", "id"], unique=False
    )
    op.create_table(
        "task_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, start=1), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), server_default=sa.text("'relay'"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("task_events_task_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("task_events_pkey")),
    )
    op.create_index(op.f("task_events_created_at_idx"), "task_events", ["created_at"], unique=False)
    op.create_index(
        op.f("task_events_task_id_id_idx"), "task_events", ["task_id", "id"], unique=False
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("delivery_attempts_delivery_id_fkey")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("delivery_attempts_pkey")),
    )
    op.create_index(op.f("delivery_attempts_at_idx"), "delivery_attempts", ["at"], unique=False)

    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% are never changed: correct with a further row', TG_TABLE_NAME;
        END $$
        """
    )
    for table in FINAL:
        op.execute(
            f"CREATE TRIGGER {table}_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # Of a statement, and only of one that names the column: no other update pays for it.
    op.execute(
        """
        CREATE FUNCTION refuse_lost_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'an account stays, with its id: tasks name it for ever';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER accounts_stay BEFORE UPDATE OF id OR DELETE OR TRUNCATE ON accounts"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_lost_accounts()"
    )
    op.execute(
        """
        CREATE FUNCTION refuse_new_follows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'who follows a task is said by its submit, and never changed';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER follows_are_final BEFORE UPDATE OF follows ON tasks"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_new_follows()"
    )
    # 40 random bits in front of every external id: two deployments on one Kling account never meet.
    op.execute(
        "INSERT INTO deployment (external_prefix)"
        " VALUES ('r' || left(replace(gen_random_uuid()::text, '-', ''), 10))"
    )
    op.execute(f"INSERT INTO token_changes (number) VALUES ({MOMENT})")  # noqa: S608 (constants)
    # xmin: the counter's row as this transaction has already written it needs no second version.
    op.execute(
        f"""
        CREATE FUNCTION count_token_change() RETURNS trigger LANGUAGE plpgsql
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
    for table in COUNTED:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER changes_are_counted AFTER INSERT OR UPDATE OR DELETE"
            f" ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION count_token_change()"
        )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f("delivery_attempts_at_idx"), table_name="delivery_attempts")
    op.drop_table("delivery_attempts")
    op.drop_index(op.f("task_events_task_id_id_idx"), table_name="task_events")
    op.drop_index(op.f("task_events_created_at_idx"), table_name="task_events")
    op.drop_table("task_events")
    op.drop_index(op.f("owners_tenant_id_kind_id_idx"), table_name="owners")
    op.drop_index("owners_key", table_name="owners")
    op.drop_index("owners_deleted", table_name="owners", postgresql_where="deleted_at IS NOT NULL")
    op.drop_table("owners")
    op.drop_index("entries_one_topup", table_name="entries", postgresql_where="kind = 'topup'")
    op.drop_index("entries_one_refund", table_name="entries", postgresql_where="kind = 'refund'")
    op.drop_index("entries_one_charge", table_name="entries", postgresql_where="kind = 'charge'")
    op.drop_index(op.f("entries_account_id_id_idx"), table_name="entries")
    op.drop_table("entries")
    op.drop_index(op.f("deliveries_tenant_id_id_idx"), table_name="deliveries")
    op.drop_index(op.f("deliveries_task_id_idx"), table_name="deliveries")
    op.drop_index("deliveries_lanes", table_name="deliveries", postgresql_where="state = 'due'")
    op.drop_index(
        "deliveries_due_of_task", table_name="deliveries", postgresql_where="state = 'due'"
    )
    op.drop_table("deliveries")
    op.drop_index(
        "tasks_tenant_external_id",
        table_name="tasks",
        postgresql_where="state <> 'refused' AND tenant_external_id IS NOT NULL",
    )
    op.drop_index(op.f("tasks_request_id_idx"), table_name="tasks")
    op.drop_index("tasks_open", table_name="tasks", postgresql_where="hold_ended_at IS NULL")
    op.drop_index(
        "tasks_list",
        table_name="tasks",
        postgresql_where="kling_id IS NOT NULL AND state <> 'refused'",
    )
    op.drop_index(
        "tasks_kling_request", table_name="tasks", postgresql_where="kling_request_id IS NOT NULL"
    )
    op.drop_index("tasks_kling_key", table_name="tasks", postgresql_where="kling_id IS NOT NULL")
    op.drop_index("tasks_flagged", table_name="tasks", postgresql_where="is_flagged")
    op.drop_index("tasks_due", table_name="tasks", postgresql_where="next_look_at IS NOT NULL")
    op.drop_table("tasks")
    op.drop_index(op.f("webhook_secrets_tenant_id_idx"), table_name="webhook_secrets")
    op.drop_table("webhook_secrets")
    op.drop_index(op.f("tokens_tenant_id_idx"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_index(op.f("tenants_account_id_idx"), table_name="tenants")
    op.drop_table("tenants")
    op.drop_table("token_changes")
    op.drop_index("prices_key", table_name="prices", postgresql_nulls_not_distinct=True)
    op.drop_table("prices")
    op.drop_table("price_misses")
    op.drop_index("outbox_of_task", table_name="outbox", postgresql_where="done_at IS NULL")
    op.drop_index("outbox_in_order", table_name="outbox")
    op.drop_index("outbox_due", table_name="outbox", postgresql_where="done_at IS NULL")
    op.drop_index(op.f("outbox_created_at_idx"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("deployment")
    op.drop_table("channels")
    op.drop_index(op.f("changes_subject_id_idx"), table_name="changes")
    op.drop_index(op.f("changes_actor_id_idx"), table_name="changes")
    op.drop_table("changes")
    op.drop_table("books")
    op.drop_table("accounts")

    op.execute("DROP FUNCTION count_token_change()")
    op.execute("DROP FUNCTION refuse_new_follows")
    op.execute("DROP FUNCTION refuse_lost_accounts")
    op.execute("DROP FUNCTION refuse_change")
