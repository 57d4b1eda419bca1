"""What was narrowed with a key, told beside the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.show import note

if TYPE_CHECKING:
    from relay.desk.narrowed import Narrowed


def note_narrowed(narrowed: Narrowed) -> None:
    """Name the keys that it made, and the tenants that it opened, that may no more than it now."""
    ids = ", ".join(map(str, narrowed.tokens))
    keys = [f"key {ids}" if len(narrowed.tokens) == 1 else f"keys {ids}"] if ids else []
    if told := ", ".join((*keys, *(f"tenant {name}" for name in narrowed.tenants))):
        note(f"Narrowed with it, since it came of it: {told}.")
