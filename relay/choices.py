"""What some settings choose between: of words, or of numbers."""

from enum import StrEnum

HOUR_S, DAY_S = 3600, 86400
BOUNDS: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "office_port": (0, 65535),
    "body_limit_mb": (1, 1024),
    "body_budget_mb": (1, 65536),
    "kling_timeout_s": (0.01, HOUR_S),
    "submit_timeout_s": (0.01, HOUR_S),
    "submit_retry_s": (0, HOUR_S),
    "refresh_s": (0, HOUR_S),
    "free_calls_per_s": (0.1, 500),
    "lost_looks": (1, 100),
    "lost_after_s": (0, 30 * DAY_S),
    "unconfirmed_lost_after_s": (0, 30 * DAY_S),
    "close_after_days": (0, 365),
    "audit_every_s": (1, 30 * DAY_S),
    "keep_raw_days": (1, 3650),
    "keep_deliveries_days": (4, 3650),  # retries go on for three
    "keep_events_days": (1, 36500),
    "keep_owners_days": (1, 3650),
    "keep_callback_urls_days": (4, 3650),
    "keep_addresses_days": (0, 3650),
    "studio_days": (0, 3650),
    "studio_reuse_days": (0, 3650),
    "backup_every_s": (60, 30 * DAY_S),
    "backup_keep": (1, 3650),
    "asset_upload_days": (0, 3650),
    "asset_upload_gb": (1, 1_000_000),
    "asset_link_days": (1, 7),  # the longest that S3 signs
    "drain_s": (0, HOUR_S),
}
"""The least and the most of each number: what is beyond is a slip, such as bytes for megabytes."""


class Underquoted(StrEnum):
    """What becomes of a price row for which Kling took more than was held, five times in an hour.

    In each case the operator is told, and a new price of the row ends it.
    """

    HOLD = "hold"
    """The hold rises to the most that was seen; charged is the price, as before."""
    CHARGE = "charge"
    """The hold rises, and Kling's deduction is charged as far as it goes."""
    PAUSE = "pause"
    """The row is sold no more: 503/5001."""


class RoomScope(StrEnum):
    """What a Kling account's slots are for; its documents say both (docs/kling-api.md 9)."""

    MODEL = "model"
    """Each model of a pack has its own (2026-09)."""
    PACK = "pack"
    """All models of a pack share them (2026-03)."""


class Language(StrEnum):
    """Which languages people are written to in."""

    EN = "en"
    ZH = "zh"


CHOICES: dict[type, str] = {
    Language: "en or zh",
    RoomScope: "model or pack",
    Underquoted: "hold, charge or pause",
}
"""What may be said, for whoever said something else."""
