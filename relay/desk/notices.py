"""Where tenants are told of their quota, limits, keys, prices and statements."""

import uuid
from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.places import PlaceUnusable
from relay.deliveries.tables import WebhookSecret
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.find import tenant_to_act_on
from relay.desk.secret_keys import check_secret_keys
from relay.money import decimal_of
from relay.notices.events import WANTED, Event
from relay.notices.news import find_standing
from relay.notices.places import PLACES_MAX, Means, read_address, show_address, url_context
from relay.notices.read import ListedNotice, ListedPlace, NoticeFilter, list_notices, list_places
from relay.notices.tables import Lang, Notice, NoticePlace, NoticeState, PlaceKind
from relay.notices.tell import write_news
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.tenants.tables import Tenant
from relay.tenants.tokens import lock_maker

LOW_MAX = 10**15
"""Micros: a thousand million, as everywhere."""
TESTED = "interval '1 minute'"
"""Least time between two tests of a place: it may be somebody else's mailbox."""

LATELY_TESTED = f"""
SELECT EXISTS (
    SELECT FROM notices WHERE place_id = :place_id AND event = 'test'
        AND (state = 'due' OR created_at > now() - {TESTED})
)
"""  # noqa: S608 (composed of constants)


class NewPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A place that is to be told."""

    kind: PlaceKind
    to: str
    """A URL, a mail address, or a bot's address as its maker shows it."""
    lang: Lang = Lang.ZH
    events: Sequence[Event] | None = None
    """None is all."""
    low_micros: int | None = None
    """With less left, quota is low; None is what the last 24 hours cost."""


@act("notice.add")
async def add_notice_place(
    session: AsyncSession,
    actor: Actor,
    tenant: str,
    wanted: NewPlace,
    keys: KeyRing,
    *,
    made_by_id: int | None = None,
    settings: Settings,
) -> ListedPlace:
    """Have a tenant's events told there too, from now on: what is so by now is not.

    `made_by_id`: the key of the tenant's that adds it; with that one it ends.

    Raises:
        NoSuch
        NotPossible: the tenant was removed, has as many as it may, or no secret to sign with; or
            the key was revoked.
        Unusable: nothing can be sent there, or an event or the amount cannot be taken.
        SecretKeyError: the secret keys are not this database's.
    """
    events = None if wanted.events is None else _checked(wanted.events)
    if wanted.low_micros is not None and not 0 <= wanted.low_micros <= LOW_MAX:
        raise Unusable("quota is low below 0 to a thousand million", field="low_micros")
    try:
        url = read_address(wanted.kind, wanted.to, Means.of(settings))
    except PlaceUnusable as error:
        raise Unusable(str(error), field="to") from error
    await check_secret_keys(session, keys)
    # Locked, so that two at once do not add one too many.
    whose = await tenant_to_act_on(session, tenant, is_locked=True)
    await _check_room(session, whose, wanted.kind)
    if made_by_id is not None and await lock_maker(session, made_by_id) is None:
        raise NotPossible("token", made_by_id, "it was revoked")
    row = NoticePlace(
        tenant_id=whose.id,
        kind=wanted.kind.value,
        shown=show_address(wanted.kind, url),
        url_sealed="",
        lang=wanted.lang.value,
        events=events,
        low_micros=wanted.low_micros,
        made_by_id=made_by_id,
    )
    session.add(row)
    await session.flush()
    row.url_sealed = keys.seal(url, context=url_context(row.id))
    await session.flush()
    standing = await find_standing(session, zone=settings.zone, place_id=row.id)
    await write_news(session, [one._replace(state=NoticeState.KNOWN) for one in standing])
    await note_change(
        session,
        actor,
        "notice.add",
        kind="notice_place",
        id=row.id,
        name=row.shown,
        after=_state(row, whose),
    )
    (listed,) = await list_places(session, place_id=row.id)
    return listed


@act("notice.remove")
async def remove_notice_place(
    session: AsyncSession, actor: Actor, place_id: int, *, tenant_id: int | None = None
) -> str:
    """Tell nothing there any more, not what waits for it either; return what it was.

    `tenant_id`: only if it is that one's.

    Raises:
        NoSuch
    """
    row, tenant = await _find(session, place_id, tenant_id)
    await _remove(session, actor, row, tenant)
    return row.shown


async def remove_places_of_keys(
    session: AsyncSession, token_ids: Collection[int], *, actor: Actor, reason: str | None
) -> None:
    """Tell nothing any more where keys had their tenants told, which were just revoked.

    None of them adds another one beside this: who adds one has locked its key.
    """
    query = select(NoticePlace).where(NoticePlace.made_by_id.in_(token_ids))
    for row in await session.scalars(query.order_by(NoticePlace.id).with_for_update()):
        tenant = await session.get_one(Tenant, row.tenant_id)
        await _remove(session, actor, row, tenant, reason=reason)


async def _remove(
    session: AsyncSession,
    actor: Actor,
    row: NoticePlace,
    tenant: Tenant,
    *,
    reason: str | None = None,
) -> None:
    await session.delete(row)
    await note_change(
        session,
        actor,
        "notice.remove",
        kind="notice_place",
        id=row.id,
        name=row.shown,
        before=_state(row, tenant),
        reason=reason,
    )


@act("notice.test")
async def send_test_notice(
    session: AsyncSession, actor: Actor, place_id: int, *, tenant_id: int | None = None
) -> ListedNotice:
    """Have a worker send a test there, like any notice; its row says what becomes of it.

    Raises:
        NoSuch
        NotPossible: one is under way, or was sent within a minute.
    """
    row, tenant = await _find(session, place_id, tenant_id)
    if await session.scalar(text(LATELY_TESTED), {"place_id": place_id}):
        raise NotPossible("notice place", place_id, "it was tested within a minute")
    notice = Notice(place_id=place_id, event=Event.TEST.value, key=str(uuid.uuid4()), data="{}")
    session.add(notice)
    await session.flush()
    await note_change(
        session,
        actor,
        "notice.test",
        kind="notice_place",
        id=place_id,
        name=row.shown,
        after={"tenant": tenant.name},
    )
    (listed,) = await list_notices(session, NoticeFilter(notice_id=notice.id), limit=1)
    return listed


@act("notice.replay")
async def replay_notice(session: AsyncSession, actor: Actor, notice_id: int) -> ListedNotice:
    """Make one that arrived, or was given up, due again: the same words and id, 72 new hours.

    Raises:
        NoSuch: none, or nothing that is told.
        NotPossible: it is still to be sent.
    """
    row = await session.get(Notice, notice_id, with_for_update={"key_share": True})
    if row is None or row.state == NoticeState.KNOWN:
        raise NoSuch("notice", notice_id)
    if row.state == NoticeState.DUE:
        raise NotPossible("notice", notice_id, "it is due already")
    was, now = row.state, await session.scalar(select(func.now()))
    assert now is not None, "a database has a clock"
    row.state, row.ended_at = NoticeState.DUE.value, None
    row.next_attempt_at = row.replayed_at = now
    await session.flush()
    await note_change(
        session,
        actor,
        "notice.replay",
        kind="notice",
        id=notice_id,
        name=str(notice_id),
        before={"state": was},
        after={"state": NoticeState.DUE.value},
    )
    (listed,) = await list_notices(session, NoticeFilter(notice_id=notice_id), limit=1)
    return listed


def _checked(events: Sequence[Event]) -> list[str]:
    if not events or not set(events) <= set(WANTED):
        raise Unusable(f"events are {', '.join(WANTED)}", field="events")
    return [one.value for one in WANTED if one in events]


async def _check_room(session: AsyncSession, tenant: Tenant, kind: PlaceKind) -> None:
    of_tenant = select(func.count()).where(NoticePlace.tenant_id == tenant.id)
    if (await session.scalar(of_tenant) or 0) >= PLACES_MAX:
        raise NotPossible("tenant", tenant.name, f"it has {PLACES_MAX} places already")
    secret = select(WebhookSecret.id).where(WebhookSecret.tenant_id == tenant.id).limit(1)
    if kind is PlaceKind.WEBHOOK and await session.scalar(secret) is None:
        raise NotPossible("tenant", tenant.name, "it has no webhook secret: make one first")


async def _find(
    session: AsyncSession, place_id: int, tenant_id: int | None
) -> tuple[NoticePlace, Tenant]:
    row = await session.get(NoticePlace, place_id, with_for_update=True)
    if row is None or tenant_id not in (None, row.tenant_id):
        raise NoSuch("notice place", place_id)
    return row, await session.get_one(Tenant, row.tenant_id)


def _state(row: NoticePlace, tenant: Tenant) -> dict[str, object]:
    return {
        "tenant": tenant.name,
        "kind": row.kind,
        "lang": row.lang,
        "events": row.events,
        "low": None if row.low_micros is None else decimal_of(row.low_micros),
        "made_by": row.made_by_id,
    }
