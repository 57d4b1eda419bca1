"""What some settings choose between."""

from enum import StrEnum


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
