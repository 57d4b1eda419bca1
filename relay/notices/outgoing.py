"""Notices on their way: one at a time to a place, after the commit that claimed it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.send import send
from relay.counts import Counts
from relay.database.engine import Sessions
from relay.deliveries.deliver import DEAD, DELIVERED, REFUSED
from relay.deliveries.names import until_looked_up
from relay.deliveries.schedule import RetrySchedule
from relay.deliveries.send import Sender
from relay.deliveries.signature import read_secrets, sign
from relay.notices.events import Event
from relay.notices.places import NO_MAIL, mail_to, url_context
from relay.notices.tables import Lang, NoticeState, PlaceKind
from relay.notices.words import Around, webhook_body, word_notice
from relay.secrets import KeyRing, SecretKeyError
from relay.settings import Settings
from relay.tenants.read import own_name

log = structlog.get_logger()

AT_ONCE = 16
"""Places, of one worker."""
IDLE_S = 2.0
LEASE_S = 60.0
"""Longer than a try may take; a worker that dies leaves its rows to others after that."""
PACE_S = 3.0
"""Between two messages to one place: bots take 20 a minute."""
UNSIGNED = "it has no webhook secret to sign with"

CLAIM = """
WITH waiting AS MATERIALIZED (
    SELECT p.id AS place_id, n.id, n.next_attempt_at
    FROM (SELECT DISTINCT place_id FROM notices WHERE state = 'due' AND next_attempt_at <= now()) d
    JOIN notice_places p ON p.id = d.place_id AND p.busy_until <= now()
    CROSS JOIN LATERAL (
        SELECT n.id, n.next_attempt_at FROM notices n
        WHERE n.place_id = p.id AND n.state = 'due' AND n.next_attempt_at <= now()
        ORDER BY n.next_attempt_at, n.id LIMIT 1
    ) n
    ORDER BY n.next_attempt_at LIMIT :at_once
),
-- Whoever has the place has what waits for it; what another worker took meanwhile is busy by now.
taken AS (
    UPDATE notice_places p SET busy_until = now() + :lease_s * interval '1 second'
    FROM waiting w
    WHERE p.id = w.place_id AND p.busy_until <= now() AND p.id IN (
        SELECT id FROM notice_places
        WHERE id IN (SELECT place_id FROM waiting) FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING w.id AS notice_id, p.tenant_id, p.kind, p.lang, p.shown, p.url_sealed
)
UPDATE notices n
SET attempts = n.attempts + 1, lease = gen_random_uuid(),
    next_attempt_at = now() + :lease_s * interval '1 second'
FROM taken JOIN tenants t ON t.id = taken.tenant_id
WHERE n.id = taken.notice_id AND n.state = 'due'
RETURNING n.id, n.webhook_id, n.place_id, n.event, n.data, n.created_at, n.attempts, n.lease,
    extract(epoch FROM now() - coalesce(n.replayed_at, n.created_at))::float8 AS elapsed_s,
    taken.kind, taken.lang, taken.shown, taken.url_sealed, taken.tenant_id, t.name AS tenant,
    t.parent_id
"""

COMPLETE = """
WITH free AS (
    UPDATE notice_places SET busy_until = now() + :pace_s * interval '1 second'
    WHERE id = :place_id
)
UPDATE notices
SET lease = NULL, state = :state, error = :error,
    next_attempt_at = now() + :pause_s * interval '1 second',
    ended_at = CASE WHEN :state <> 'due' THEN now() END
WHERE id = :id AND lease = :lease
"""


RESULTS = {NoticeState.SENT: DELIVERED, NoticeState.DUE: REFUSED, NoticeState.DEAD: DEAD}
"""Of attempts, as those at deliveries are counted."""
TESTS = """
SELECT 0::bigint AS id, 'msg_' || replace(gen_random_uuid()::text, '-', '') AS webhook_id,
    p.id AS place_id, 'test' AS event, '{}' AS data, now() AS created_at, 1 AS attempts,
    gen_random_uuid() AS lease, 0::float8 AS elapsed_s, p.kind, p.lang, p.shown, p.url_sealed,
    p.tenant_id, t.name AS tenant, t.parent_id
FROM notice_places p JOIN tenants t ON t.id = p.tenant_id
WHERE p.tenant_id = :tenant_id ORDER BY p.id
"""


class Tried(NamedTuple):
    """What one try came to."""

    error: str | None = None
    """Why it did not arrive."""
    is_last: bool = False
    """No other try would help."""


class Outgoing(msgspec.Struct, frozen=True):
    """A notice that this worker alone may send until its lease ends."""

    id: int
    webhook_id: str
    place_id: int
    event: Event
    data: str
    created_at: datetime
    attempts: int
    lease: UUID
    elapsed_s: float
    """Since it was written, or made due again."""
    kind: PlaceKind
    lang: Lang
    shown: str
    url_sealed: str
    tenant_id: int
    tenant: str
    """As it is called to itself: of a sub-tenant, without its parent's name."""


class NoticeSender:
    """Sends notices; create it inside the loop that will use it."""

    def __init__(
        self,
        sessions: Sessions,
        sender: Sender,
        keys: KeyRing,
        settings: Settings,
        *,
        counts: Counts,
    ) -> None:
        """`counts`: an attempt is one among those at deliveries, as who watches them wants it."""
        self._sessions = sessions
        self._sender = sender
        self._keys = keys
        self._settings = settings
        self._schedule = RetrySchedule()
        self._counts = counts

    async def claim_due(self, limit: int) -> list[Outgoing]:
        """Lease the oldest notice that is due, of each place that is free."""
        async with self._sessions.begin() as session:
            values = {"at_once": limit, "lease_s": LEASE_S}
            rows = (await session.execute(text(CLAIM), values)).mappings()
            return [_outgoing(row) for row in rows]

    async def deliver(self, notice: Outgoing) -> None:
        """Make one attempt, and record what came of it."""
        tried = await self._try(notice)
        pause_s = self._schedule.pause_s(notice.elapsed_s)
        error = tried.error
        state = NoticeState.DUE
        if error is None:
            state = NoticeState.SENT
        elif tried.is_last or pause_s is None:
            state = NoticeState.DEAD
        values: dict[str, Any] = {
            "id": notice.id,
            "lease": notice.lease,
            "place_id": notice.place_id,
            "state": state.value,
            "error": error,
            "pause_s": pause_s or 0.0,
            "pace_s": PACE_S,
        }
        async with self._sessions.begin() as session:
            await session.execute(text(COMPLETE), values)
        self._counts.deliveries.add(RESULTS[state])
        log.info(
            "notice.attempted",
            notice_id=notice.id,
            tenant_id=notice.tenant_id,
            event_name=notice.event.value,
            place=notice.shown,
            attempt=notice.attempts,
            error=error,
            state=state.value,
        )

    async def _try(self, notice: Outgoing) -> Tried:
        secrets: list[str] = []
        try:
            if notice.kind is PlaceKind.WEBHOOK:
                async with self._sessions() as session:
                    secrets = await read_secrets(session, notice.tenant_id, self._keys)
        except SecretKeyError as error:
            return Tried(str(error))
        return await send_notice(
            notice, secrets, sender=self._sender, keys=self._keys, settings=self._settings
        )


async def send_notice(
    notice: Outgoing,
    secrets: list[str],
    *,
    sender: Sender,
    keys: KeyRing,
    settings: Settings,
) -> Tried:
    """Send it once; whatever goes wrong is an outcome. `secrets`: what signs for a webhook."""
    around = Around(settings.currency, settings.timezone, settings.zone)
    try:
        url = keys.open(notice.url_sealed, context=url_context(notice.place_id))
    except SecretKeyError as error:
        return Tried(str(error))
    words = word_notice(
        notice.event,
        msgspec.json.decode(notice.data),
        lang=notice.lang,
        tenant=notice.tenant,
        created_at=notice.created_at,
        around=around,
    )
    if notice.kind is PlaceKind.WEBHOOK:
        if not secrets:
            return Tried(UNSIGNED)
        body = webhook_body(
            notice.event,
            notice.data,
            words,
            tenant=notice.tenant,
            created_at=notice.created_at,
            around=around,
        )
        headers = sign(secrets, webhook_id=notice.webhook_id, at=datetime.now(UTC), body=body)
        async with until_looked_up():
            outcome = await sender.post(url, body=body, headers=headers)
        return Tried(None if outcome.is_delivered else outcome.summary, is_last=outcome.is_gone)
    if notice.kind is PlaceKind.MAIL:
        if settings.mail_url is None:
            return Tried(NO_MAIL)
        url = mail_to(settings.mail_url, url)
    return Tried(await send(url, title=words.title, body=words.text, is_bad=False))


async def read_tests(session: AsyncSession, *, tenant_id: int) -> list[Outgoing]:
    """Make a test for each place of a tenant, of which no row says anything."""
    rows = (await session.execute(text(TESTS), {"tenant_id": tenant_id})).mappings()
    return [_outgoing(row) for row in rows]


def _outgoing(row: RowMapping) -> Outgoing:
    called = row["tenant"] if row["parent_id"] is None else own_name(row["tenant"])
    values = dict(row) | {"tenant": called}
    return msgspec.convert(values, Outgoing, builtin_types=(datetime, UUID))
