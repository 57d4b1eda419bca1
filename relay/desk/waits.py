"""How long creates may wait for room, as the desk takes it."""

import msgspec

from relay.desk.errors import Unusable
from relay.tasks.queue.wait import WAIT_MAX_S


def check_wait(wait_s: int | msgspec.UnsetType | None) -> None:
    """Raise Unusable of a wait that is out of bounds; 0 is not to wait."""
    if isinstance(wait_s, int) and not 0 <= wait_s <= WAIT_MAX_S:
        raise Unusable(f"a create waits for room for 0 to {WAIT_MAX_S} seconds", field="queue_s")
