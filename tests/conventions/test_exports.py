"""Each table of the database is in `relay export`, or is left out for a reason."""

from relay.schema import codes

IN_EXPORTS = {
    *("accounts", "alert_places", "alert_rules", "audits", "changes", "channel_costs", "channels"),
    *("closed_months", "code_batches", "codes", "deliveries", "entries", "invoices", "limits"),
    *("multipliers", "notice_places", "notices", "operator_tokens", "operators", "pauses"),
    *("price_rows", "tasks", "tenants", "tokens"),
}
"""Tables of the database that are written as lines."""
LEFT_OUT = {
    "with each task, delivery, channel or invoice, by its own command": (
        *("task_events", "delivery_attempts", "trial_callbacks", "trials", "channel_conditions"),
        *("channel_events", "channel_packs", "invoice_files", "invoice_items", "invoice_profiles"),
        *("assets", "asset_objects", "asset_days", "storage_charges", "storage_refunds"),
    ),
    "with each task of the studio's, by its own path": (
        *("runs", "run_batches", "run_steps", "run_events", "run_retentions"),
    ),
    "of a moment": (
        *(
            "queue",
            "queue_turns",
            "queue_account_turns",
            "outbox",
            "alert_notes",
            "price_misses",
            "price_underquotes",
        ),
    ),
    "learned, and looked up by what it is of": (
        "owners",
        "moved_models",
        "moved_tasks",
        "moved_tenants",
    ),
    "sent, and told by its command": ("alert_messages",),
    "secrets": (
        *("webhook_secrets", "secret_keys", "operator_answers", "web_sessions", "login_links"),
        *("portal_sessions", "portal_links"),
    ),
    "sums of what is exported, kept to be read faster": (
        *("rolled_days", "rolled_marks", "rolled_usage", "rolled_whole"),
    ),
    "the relay's own bookkeeping": (
        *("addresses_forgotten", "backups", "books", "deployment", "price_lists", "price_state"),
        *("prices", "restores", "schema_floor", "token_changes"),
    ),
}
"""Tables that are in no export, by why."""


def test_each_table_is_exported_or_left_out_for_a_reason() -> None:
    """The reasons stand in docs/operate.md, "The relay as a file"."""
    left_out = {table for tables in LEFT_OUT.values() for table in tables}

    assert set(codes.CodeBatch.metadata.tables) == IN_EXPORTS | left_out
    assert not IN_EXPORTS & left_out
