"""For how long a step waits for its turn: one of a batch comes after hundreds of its tenant's."""

import random
from datetime import datetime, timedelta

from relay.kling.codes import Code
from relay.runs.tables import Run
from relay.tenants.caller import Caller

WAITS = "1h"
"""For how long a step waits for room, of a tenant whose own creates do not."""
BATCH_WAITS, BATCH_S = "24h", 86_400.0
"""The same of a step of a batch's; and for how long its tenant's limits may hold it up."""
CROWDED = frozenset({Code.RATE_LIMITED, Code.CONCURRENCY_LIMITED})
"""Refusals that mean: later. Each is told of what made nothing."""
PAUSE_MIN_S, PAUSE_MAX_S = 2.0, 60.0


def wait_of_step(run: Run, caller: Caller) -> str | None:
    """Spell how long a step waits for room; None is as its tenant's own creates do."""
    if run.batch_id is not None:
        return BATCH_WAITS
    # A chain is not to end for want of a slot.
    return None if caller.queue_s else WAITS


def turn_of(run: Run, code: int | None, *, now: datetime) -> datetime | None:
    """Say when a step is tried again that only has to wait for its turn; None of any other one.

    The longer its batch waits, the longer the pause: what all of it asks in vain stays little.
    """
    waited_s = (now - run.created_at).total_seconds()
    if run.batch_id is None or code not in CROWDED or waited_s > BATCH_S:
        return None
    pause_s = min(max(waited_s / 4, PAUSE_MIN_S), PAUSE_MAX_S)
    # Not all at the same moment once more.
    return now + timedelta(seconds=pause_s * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)
