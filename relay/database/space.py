"""How much room a disk is to have: Postgres stops where there is none, and stays stopped."""

GIGABYTE = 1024**3
BAD_BELOW, LOW_BELOW = GIGABYTE // 2, 5 * GIGABYTE
"""Bytes."""
LOW_PERCENT = 10


def is_low(total: int, free: int, *, percent: int = LOW_PERCENT) -> bool:
    """Tell whether somebody should make room."""
    return free < BAD_BELOW or (free < LOW_BELOW and free * 100 < total * percent)


def spell_bytes(size: int) -> str:
    if size >= GIGABYTE:
        return f"{size / GIGABYTE:.1f} GB"
    return f"{size / 1024**2:.0f} MB"
