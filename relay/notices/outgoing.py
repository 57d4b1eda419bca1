"""Notices on their way: a message at a time to a place, after the commit that claimed it.

What waits for a mailbox or a bot is sent as one message; webhooks get each by itself.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
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
from relay.notices.words import Around, Words, join_words, webhook_body, word_notice
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
TOGETHER_MAX = 20
"""Notices in one message."""
WECOM_BYTES_MAX, BYTES_MAX = 2048, 15_000
"""Of a message with several: WeCom's text takes the first, DingTalk and Feishu some 20,000."""
UNSIGNED = "it has no webhook secret to sign with"

CLAIM = """
WITH waiting AS MATERIALIZED (
    SELECT p.id AS place_id
    FROM (
        SELECT place_id, min(next_attempt_at) AS since FROM notices
        WHERE state = 'due' AND next_attempt_at <= now() GROUP BY place_id
    ) d
    JOIN notice_places p ON p.id = d.place_id AND p.busy_until <= now()
    ORDER BY d.since LIMIT :at_once
),
-- Whoever has the place has what waits for it; what another worker took meanwhile is busy by now.
taken AS (
    UPDATE notice_places p SET busy_until = now() + :lease_s * interval '1 second'
    FROM waiting w
    WHERE p.id = w.place_id AND p.busy_until <= now() AND p.id IN (
        SELECT id FROM notice_places
        WHERE id IN (SELECT place_id FROM waiting) FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING p.id AS place_id, p.tenant_id, p.kind, p.lang, p.shown, p.url_sealed,
        gen_random_uuid() AS lease
)
UPDATE notices n
SET attempts = n.attempts + 1, lease = taken.lease,
    next_attempt_at = now() + :lease_s * interval '1 second'
FROM taken
JOIN tenants t ON t.id = taken.tenant_id
CROSS JOIN LATERAL (
    SELECT m.id FROM notices m
    WHERE m.place_id = taken.place_id AND m.state = 'due' AND m.next_attempt_at <= now()
    ORDER BY m.next_attempt_at, m.id
    LIMIT CASE WHEN taken.kind = 'webhook' THEN 1 ELSE :together END
) oldest
WHERE n.id = oldest.id AND n.state = 'due'
RETURNING n.id, n.webhook_id, n.place_id, n.event, n.data, n.created_at, n.attempts, n.lease,
    extract(epoch FROM now() - coalesce(n.replayed_at, n.created_at))::float8 AS elapsed_s,
    taken.kind, taken.lang, taken.shown, taken.url_sealed, taken.tenant_id, t.name AS tenant,
    t.parent_id
"""

GIVE_BACK = """
UPDATE notices SET lease = NULL, attempts = attempts - 1, next_attempt_at = now()
WHERE id = ANY (:ids)
"""

COMPLETE = """
WITH free AS (
    UPDATE notice_places SET busy_until = now() + :pace_s * interval '1 second'
    WHERE id = :place_id
)
UPDATE notices n
SET lease = NULL, state = d.state, error = :error,
    next_attempt_at = now() + d.pause_s * interval '1 second',
    ended_at = CASE WHEN d.state <> 'due' THEN now() END
FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:pauses_s AS float8[]))
    AS d (id, state, pause_s)
WHERE n.id = d.id AND n.lease = :lease
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


class Told(msgspec.Struct, frozen=True):
    """One notice of a message."""

    id: int
    webhook_id: str
    event: Event
    data: str
    created_at: datetime
    attempts: int
    elapsed_s: float
    """Since it was written, or made due again."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message to a place, which this worker alone may send until its lease ends."""

    place_id: int
    kind: PlaceKind
    lang: Lang
    shown: str
    url_sealed: str
    tenant_id: int
    tenant: str
    """As it is called to itself: of a sub-tenant, without its parent's name."""
    lease: UUID
    notices: list[Told]
    """The oldest first; of a webhook one."""


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
        """Lease what is due of each place that is free: the oldest, or what fits in a message."""
        async with self._sessions.begin() as session:
            values = {"at_once": limit, "lease_s": LEASE_S, "together": TOGETHER_MAX}
            rows = (await session.execute(text(CLAIM), values)).mappings()
            claimed = _outgoing(rows)
            fitting = [_fitting(one, self._settings) for one in claimed]
            taken = {notice.id for one in fitting for notice in one.notices}
            if left := [it.id for one in claimed for it in one.notices if it.id not in taken]:
                await session.execute(text(GIVE_BACK), {"ids": left})
        return fitting

    async def deliver(self, message: Outgoing) -> None:
        """Make one attempt, and record of each notice what came of it."""
        tried = await self._try(message)
        pauses_s = [self._schedule.pause_s(one.elapsed_s) for one in message.notices]
        states = [_state_after(tried, pause_s) for pause_s in pauses_s]
        values: dict[str, Any] = {
            "ids": [one.id for one in message.notices],
            "lease": message.lease,
            "place_id": message.place_id,
            "states": [state.value for state in states],
            "error": tried.error,
            "pauses_s": [pause_s or 0.0 for pause_s in pauses_s],
            "pace_s": PACE_S,
        }
        async with self._sessions.begin() as session:
            await session.execute(text(COMPLETE), values)
        for notice, state in zip(message.notices, states, strict=True):
            self._counts.deliveries.add(RESULTS[state])
            log.info(
                "notice.attempted",
                notice_id=notice.id,
                tenant_id=message.tenant_id,
                event_name=notice.event.value,
                place=message.shown,
                attempt=notice.attempts,
                error=tried.error,
                state=state.value,
            )

    async def _try(self, message: Outgoing) -> Tried:
        secrets: list[str] = []
        try:
            if message.kind is PlaceKind.WEBHOOK:
                async with self._sessions() as session:
                    secrets = await read_secrets(session, message.tenant_id, self._keys)
        except SecretKeyError as error:
            return Tried(str(error))
        return await send_message(
            message, secrets, sender=self._sender, keys=self._keys, settings=self._settings
        )


def _state_after(tried: Tried, pause_s: float | None) -> NoticeState:
    if tried.error is None:
        return NoticeState.SENT
    return NoticeState.DEAD if tried.is_last or pause_s is None else NoticeState.DUE


async def send_message(
    message: Outgoing,
    secrets: list[str],
    *,
    sender: Sender,
    keys: KeyRing,
    settings: Settings,
) -> Tried:
    """Send it once; whatever goes wrong is an outcome. `secrets`: what signs for a webhook."""
    try:
        url = keys.open(message.url_sealed, context=url_context(message.place_id))
    except SecretKeyError as error:
        return Tried(str(error))
    words = _words(message, settings)
    if message.kind is PlaceKind.WEBHOOK:
        if not secrets:
            return Tried(UNSIGNED)
        (notice,), (its_words,) = message.notices, words
        body = webhook_body(
            notice.event,
            notice.data,
            its_words,
            tenant=message.tenant,
            created_at=notice.created_at,
            around=_around(settings),
        )
        headers = sign(secrets, webhook_id=notice.webhook_id, at=datetime.now(UTC), body=body)
        async with until_looked_up():
            outcome = await sender.post(url, body=body, headers=headers)
        return Tried(None if outcome.is_delivered else outcome.summary, is_last=outcome.is_gone)
    if message.kind is PlaceKind.MAIL:
        if settings.mail_url is None:
            return Tried(NO_MAIL)
        url = mail_to(settings.mail_url, url)
    joined = join_words(words, lang=message.lang)
    return Tried(await send(url, title=joined.title, body=joined.text, is_bad=False))


async def read_tests(session: AsyncSession, *, tenant_id: int) -> list[Outgoing]:
    """Make a test for each place of a tenant, of which no row says anything."""
    return _outgoing((await session.execute(text(TESTS), {"tenant_id": tenant_id})).mappings())


def _outgoing(rows: Iterable[RowMapping]) -> list[Outgoing]:
    """Put together what goes to one place."""
    in_order = sorted(rows, key=itemgetter("place_id", "id"))
    messages = []
    for _, its in groupby(in_order, key=itemgetter("place_id")):
        notices = [dict(row) for row in its]
        place = notices[0]
        if place["parent_id"] is not None:
            place = place | {"tenant": own_name(place["tenant"])}
        values = place | {"notices": notices}
        messages.append(msgspec.convert(values, Outgoing, builtin_types=(datetime, UUID)))
    return messages


def _fitting(message: Outgoing, settings: Settings) -> Outgoing:
    """Leave in it what its kind of place takes, at least one."""
    bytes_max = WECOM_BYTES_MAX if message.kind is PlaceKind.WECOM else BYTES_MAX
    words = _words(message, settings)
    fits = 1
    while fits < len(words) and join_words(words[: fits + 1], lang=message.lang).size <= bytes_max:
        fits += 1
    return msgspec.structs.replace(message, notices=message.notices[:fits])


def _words(message: Outgoing, settings: Settings) -> list[Words]:
    return [
        word_notice(
            one.event,
            msgspec.json.decode(one.data),
            lang=message.lang,
            tenant=message.tenant,
            created_at=one.created_at,
            around=_around(settings),
        )
        for one in message.notices
    ]


def _around(settings: Settings) -> Around:
    return Around(settings.currency, settings.timezone, settings.zone)
