"""Kling's models as data: what is known of one beyond its price.

Source: docs/kling-api.md 1, 4, 11 and 17. Prices stand in `pricing/official.py`; a model that has
one there needs a row here only where something differs.
"""

RETIRED = frozenset(
    {
        *("kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-master"),
        *("kling-v2-1", "kling-v2-1-master"),
    }
)
"""Video models that Kling ended on 2026-09-15; whether its API still takes them is not known."""

UNPRICED: dict[str, tuple[str, ...]] = {
    "kolors-virtual-try-on": ("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5"),
    "multi-image2image": ("kling-v2", "kling-v2-1"),
}
"""By endpoint: models whose name no row of the vendor's list has."""
UNPRICED_MODES: dict[str, tuple[str, ...]] = {"generations": ("1k", "2k")}
"""By endpoint: modes that cost the same, so that no row names them."""
