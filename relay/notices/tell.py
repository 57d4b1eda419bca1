"""Writing notices, each for the places of a tenant that want it, and at each at most once."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.notices.events import Event
from relay.notices.tables import NoticeState

FIRST = """
SELECT min(o.id) FROM tenants o WHERE o.account_id = t.account_id AND o.removed_at IS NULL
"""
"""Of the tenants on one account that whose it is: it was opened with it, and the others later. What
the account has is not told to those."""

TELL = f"""
INSERT INTO notices (place_id, event, key, data)
SELECT p.id, :event, :key, :data
FROM notice_places p JOIN tenants t ON t.id = p.tenant_id
WHERE (CAST(:tenant_id AS bigint) IS NULL OR t.id = :tenant_id)
    AND (CAST(:account_id AS bigint) IS NULL OR t.account_id = :account_id AND t.id = ({FIRST}))
    AND (p.events IS NULL OR :event = ANY (p.events))
ON CONFLICT (place_id, event, key) DO NOTHING
"""  # noqa: S608 (composed of constants)

WRITE = """
INSERT INTO notices (place_id, event, key, data, state, ended_at)
SELECT p.id, n.event, n.key, n.data, n.state, CASE WHEN n.state <> 'due' THEN now() END
FROM unnest(
    CAST(:place_ids AS bigint[]), CAST(:events AS text[]), CAST(:keys AS text[]),
    CAST(:datas AS text[]), CAST(:states AS text[])
) AS n (place_id, event, key, data, state)
-- One that is removed meanwhile is told nothing.
JOIN notice_places p ON p.id = n.place_id
FOR KEY SHARE OF p
ON CONFLICT (place_id, event, key) DO NOTHING
"""


class News(NamedTuple):
    """What is to be told to one place, or known not to be news to it."""

    place_id: int
    event: Event
    key: str
    data: Mapping[str, Any]
    state: NoticeState = NoticeState.DUE


async def tell(
    session: AsyncSession,
    event: Event,
    key: str,
    data: Mapping[str, Any],
    *,
    tenant_id: int | None = None,
    account_id: int | None = None,
) -> None:
    """Tell whoever wants to know, of one tenant, of that whose an account is, or of all.

    `key`: of the event, the same one a second time tells nothing. `data`: amounts as decimals, and
    moments in milliseconds.
    """
    values = {"event": event.value, "key": key, "data": _spelt(data)}
    whose = {"tenant_id": tenant_id, "account_id": account_id}
    await session.execute(text(TELL), values | whose)


async def write_news(session: AsyncSession, news: Sequence[News]) -> None:
    """Write what was found; what a place was told before stays as it is."""
    if not news:
        return
    values = {
        "place_ids": [one.place_id for one in news],
        "events": [one.event.value for one in news],
        "keys": [one.key for one in news],
        "datas": [_spelt(one.data) for one in news],
        "states": [one.state.value for one in news],
    }
    await session.execute(text(WRITE), values)


def _spelt(data: Mapping[str, Any]) -> str:
    return msgspec.json.encode(data).decode()
