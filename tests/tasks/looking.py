"""The worker's looks, done at once instead of when they are due."""

import asyncio

from tests.relay_app import Relay
from tests.waiting import wait_until

NOW = """
WITH due AS (
    SELECT id FROM tasks WHERE next_look_at IS NOT NULL ORDER BY id FOR NO KEY UPDATE
)
UPDATE tasks t SET next_look_at = now() FROM due WHERE t.id = due.id
"""
"""In the order in which all others lock them."""


async def look_now(relay: Relay) -> int:
    """Look at every task that would ever be looked at again; how many that were."""
    await relay.rows(NOW)
    leased = await relay.parts.tasks.looker.claim_due(1000)
    await asyncio.gather(*map(relay.parts.tasks.looker.look, leased))
    return len(leased)


async def ended_at_kling(relay: Relay) -> None:
    """Wait until the sandbox has ended a task, which it tells nobody."""
    sandbox = relay.sandbox
    assert sandbox is not None
    await wait_until(lambda: [one for one in sandbox.ledger.entries if one["event"] == "ended"])


async def let_time_pass(relay: Relay, hours: float) -> None:
    """Make all that stands in the rows of tasks that much older."""
    for column in (
        *("created_at", "submit_deadline_at", "submitted_at", "ended_at", "hold_ended_at"),
        *("refresh_at", "next_look_at", "not_found_since"),
    ):
        await relay.rows(f"UPDATE tasks SET {column} = {column} - {hours} * interval '1 hour'")
