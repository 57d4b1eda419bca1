"""A channel as its commands show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.channels.tables import Channel


def described(row: Channel) -> dict[str, object]:
    """Put a row into one document, without its keys."""
    return {
        "id": row.id,
        "name": row.name,
        "base_url": row.base_url,
        "access_key": shortened(row.access_key),
        "has_key_pair": row.access_key is not None,
        "has_api_key": row.api_key_sealed is not None,
        "has_webhook_secret": row.webhook_secret_sealed is not None,
        "enabled": row.enabled,
        "priority": row.priority,
        "weight": row.weight,
        "is_sandbox": row.is_sandbox,
        "confirmed_lookups": list(row.confirmed_lookups),
        "trial_at": row.trial_at,
        "callback_at": row.callback_at,
        "created_at": row.created_at,
        "removed_at": row.removed_at,
    }


def shortened(access_key: str | None) -> str | None:
    """Show enough to tell accounts apart: half of it at most."""
    if access_key is None:
        return None
    return f"{access_key[: min(4, len(access_key) // 2)]}…"


def lookup_word(row: Channel) -> str:
    """Say whether "not found" is believed there, and of which lookups (`channel try`)."""
    if row.is_sandbox:
        return "sandbox"
    return ", ".join(row.confirmed_lookups) or "not tried"
