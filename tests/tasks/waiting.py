"""States of Postgres that a test waits for."""

from tests.relay_app import Relay

WAITING_FOR_A_LOCK = """
SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
"""To be asked outside of a transaction: within one, Postgres goes on showing the sessions that
there were at the first look (`stats_fetch_consistency`)."""


async def is_a_lock_waited_for(relay: Relay) -> bool:
    """Whether some session of this test's database waits for another one's lock."""
    return bool(await relay.rows(WAITING_FOR_A_LOCK))
