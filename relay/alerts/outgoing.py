"""Messages on their way: claimed by one worker, sent after that commit, tried again if need be."""

import asyncio
from typing import Any

import structlog
from sqlalchemy import text

from relay.alerts.places import url_context
from relay.alerts.send import send
from relay.database.engine import Sessions
from relay.secrets import KeyRing, SecretKeyError

log = structlog.get_logger()

SEND_EVERY_S = 5.0
AT_ONCE = 20
LEASE_S = 60.0
"""Longer than a try may take."""
PAUSE_S, PAUSE_MAX_S = 15.0, 1800.0
TRIED_FOR_S = 86400.0

CLAIM = """
UPDATE alert_messages m
SET attempts = m.attempts + 1, lease = gen_random_uuid(),
    next_attempt_at = now() + :lease_s * interval '1 second'
FROM alert_places p
WHERE p.id = m.place_id AND m.id IN (
    SELECT id FROM alert_messages WHERE ended_at IS NULL AND next_attempt_at <= now()
    ORDER BY id LIMIT :at_once FOR UPDATE SKIP LOCKED
)
RETURNING m.id, m.rule, m.is_firing, m.title, m.body, m.attempts, m.lease, p.id AS place_id,
    p.shown, p.url_sealed
"""
SENT = """
UPDATE alert_messages SET ended_at = now(), lease = NULL, error = NULL
WHERE id = :id AND lease = :lease
"""
NOT_SENT = """
UPDATE alert_messages
SET lease = NULL, error = :error, next_attempt_at = now() + :pause_s * interval '1 second',
    ended_at = CASE WHEN created_at < now() - :tried_for_s * interval '1 second' THEN now() END
WHERE id = :id AND lease = :lease
"""


async def send_due(sessions: Sessions, keys: KeyRing) -> int:
    """Send what is due, all at once; return how many were tried."""
    values = {"lease_s": LEASE_S, "at_once": AT_ONCE}
    async with sessions.begin() as session:
        claimed = list((await session.execute(text(CLAIM), values)).mappings())
    await asyncio.gather(*(_send(sessions, keys, message) for message in claimed))
    return len(claimed)


async def _send(sessions: Sessions, keys: KeyRing, message: Any) -> None:
    try:
        url = keys.open(message["url_sealed"], context=url_context(message["place_id"]))
        error = await send(
            url, title=message["title"], body=message["body"], is_bad=message["is_firing"]
        )
    except SecretKeyError as failure:
        error = str(failure)
    fields = {"rule": message["rule"], "place": message["shown"]}
    its = {"id": message["id"], "lease": message["lease"]}
    if error is None:
        log.info("alert.sent", **fields)
        statement, values = SENT, its
    else:
        log.error("alert.not_sent", why=error, attempts=message["attempts"], **fields)
        pause_s = min(PAUSE_S * 2.0 ** min(message["attempts"] - 1, 10), PAUSE_MAX_S)
        statement = NOT_SENT
        values = {**its, "error": error, "pause_s": pause_s, "tried_for_s": TRIED_FOR_S}
    async with sessions.begin() as session:
        await session.execute(text(statement), values)
