"""What was made with one key: tasks, money, from where, and where their callbacks go. Reads only.

Tasks have no index by token, which every create would pay for. They are old in the order of their
ids: the first one since a moment is found by halves, and all from there on are read once.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

OUT_OF_ORDER = timedelta(minutes=1)
"""An id is drawn before its create commits: how far apart two may be the other way round."""

READ = text(
    """
    WITH made AS MATERIALIZED (
        SELECT endpoint, model, state, caller_address AS address,
               lower(substring(callback_url from '^[^:/?#]*://(?:[^/?#@]*@)?([^/?# ]+)')) AS host,
               CASE WHEN hold_ended_at IS NULL THEN hold_micros ELSE 0 END AS held_micros,
               coalesce(charged_micros, 0) AS charged_micros, refunded_micros, created_at
        FROM tasks
        WHERE id >= :first_id AND token_id = :token_id AND created_at >= :since
    )
    SELECT CASE
               WHEN grouping(state) = 0 THEN 'state' WHEN grouping(address) = 0 THEN 'address'
               WHEN grouping(host) = 0 THEN 'host' WHEN grouping(endpoint) = 0 THEN 'model'
               ELSE 'all'
           END AS of,
           coalesce(state, address, host, endpoint) AS name, model, count(*) AS tasks,
           coalesce(sum(held_micros), 0)::bigint AS held_micros,
           coalesce(sum(charged_micros), 0)::bigint AS charged_micros,
           coalesce(sum(refunded_micros), 0)::bigint AS refunded_micros,
           min(created_at) AS first_at, max(created_at) AS last_at
    FROM made
    GROUP BY GROUPING SETS ((), (state), (endpoint, model), (address), (host))
    ORDER BY tasks DESC, name, model
    """
)

FIRST_SINCE = text(
    """
    WITH RECURSIVE halves (least, most) AS (
        SELECT 1::bigint, coalesce((SELECT id FROM tasks ORDER BY id DESC LIMIT 1), 0)
        UNION ALL
        SELECT CASE WHEN found.created_at < :since THEN found.id + 1 ELSE h.least END,
               CASE WHEN found.created_at < :since THEN h.most ELSE (h.least + h.most) / 2 - 1 END
        FROM halves h CROSS JOIN LATERAL (
            SELECT id, created_at FROM tasks
            WHERE id >= (h.least + h.most) / 2 ORDER BY id LIMIT 1
        ) found
        WHERE h.least <= h.most
    )
    SELECT least FROM halves WHERE least > most
    """
)


class Part(msgspec.Struct, frozen=True):
    """Tasks that have something in common."""

    name: str | None
    """Of what: null of tasks of which it is not known, or that have none."""
    model: str | None
    """As the tenant spelled it, of what is by endpoint and model."""
    tasks: int
    held_micros: int
    """Now."""
    charged_micros: int
    """Before refunds."""
    refunded_micros: int
    first_at: datetime | None
    last_at: datetime | None


class TokenReport(msgspec.Struct, frozen=True):
    """All that was made with a token since a moment; the most tasks first in each list."""

    whole: Part
    states: list[Part]
    models: list[Part]
    """By endpoint and model."""
    addresses: list[Part]
    """That creates came from, by the log's `client`."""
    callback_hosts: list[Part]
    """With their ports, without paths."""


async def read_token_report(
    session: AsyncSession, token_id: int, *, since: datetime
) -> TokenReport:
    """Read what was made with a token."""
    first_id = await find_first_since(session, since - OUT_OF_ORDER)
    rows = await session.execute(READ, {"token_id": token_id, "since": since, "first_id": first_id})
    parts: dict[str, list[Part]] = {}
    for row in rows.mappings():
        values = dict(row)
        parts.setdefault(values.pop("of"), []).append(Part(**values))
    return TokenReport(
        whole=parts["all"][0],
        states=parts.get("state", []),
        models=parts.get("model", []),
        addresses=parts.get("address", []),
        callback_hosts=parts.get("host", []),
    )


async def find_first_since(session: AsyncSession, since: datetime) -> int:
    """Find the lowest id from which on tasks were made since a moment, give or take a minute.

    The next free one if there are none.
    """
    found = await session.scalar(FIRST_SINCE, {"since": since})
    assert isinstance(found, int), "halves come to an end"
    return found
