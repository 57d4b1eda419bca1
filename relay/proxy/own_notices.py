"""Where a tenant is told of its own business, under `/relay/notices`, for keys of scope `manage`.

GET  /relay/notices?pageSize=…&before=…   its places, and what was told there, newest first
POST /relay/notices                 {"kind": "mail", "to": "ops@acme.example", "lang": "zh"}
POST /relay/notices/{id}/test       send a test there; the list says what became of it
POST /relay/notices/{id}/remove
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from relay.database.engine import Sessions
from relay.desk.errors import Busy, NoSuch, NotPossible, Unusable
from relay.desk.notices import (
    NewPlace,
    add_notice_place,
    remove_notice_place,
    send_test_notice,
)
from relay.errors import InvalidParameter, NoticePlaceNotFound, Unavailable
from relay.moments import ms_of
from relay.money import decimal_of
from relay.notices.events import Event
from relay.notices.read import ListedNotice, ListedPlace, NoticeFilter, list_notices, list_places
from relay.notices.tables import Lang, PlaceKind
from relay.proxy.asked import (
    Asked,
    name_now,
    read_body,
    read_micros,
    refuse_sent_before,
    tenant_actor,
)
from relay.proxy.query import read_number
from relay.proxy.query_string import read_query
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.tenants.caller import Caller

ID_DIGITS_MAX = 18
SIZE_DEFAULT, SIZE_MAX = 50, 500
FIELDS = {"low_micros": "low"}
"""As the desk names them, and as a tenant does."""


class _New(msgspec.Struct, forbid_unknown_fields=True):
    kind: PlaceKind
    to: str
    lang: Lang = Lang.ZH
    events: list[Event] | None = None
    low: Decimal | None = None
    """Of the currency."""

    def __repr__(self) -> str:
        return "_New(...)"


class OwnNotices:
    """Answers a tenant about where it is told, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, keys: KeyRing, settings: Settings) -> None:
        self._sessions = sessions
        self._keys = keys
        self._settings = settings

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        given = dict(read_query(asked.query))
        size = read_number(given, "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        before_id = read_number(given, "before", default=2**63 - 1, largest=2**63 - 1)
        mine = NoticeFilter(tenant_id=caller.tenant_id, before_id=before_id)
        async with self._sessions() as session:
            places = await list_places(session, tenant_id=caller.tenant_id)
            notices = await list_notices(session, mine, limit=size + 1)
        page = notices[:size]
        return {
            "currency": self._settings.currency,
            "places": [_place(one) for one in places],
            "notices": [_notice(one) for one in page],
            "next_before": page[-1].id if len(notices) > size else None,
        }

    async def add(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Add a place; nothing of its address but what tells it apart is shown again.

        Raises:
            InvalidParameter: nothing was added.
            SentBefore: a form of the portal's added it before.
        """
        given = read_body(asked.body, _New)
        wanted = NewPlace(
            kind=given.kind,
            to=given.to,
            lang=given.lang,
            events=given.events,
            low_micros=None if given.low is None else read_micros("low", given.low),
        )
        async with self._sessions.begin() as session:
            await refuse_sent_before(session, caller, asked)
            name = await name_now(session, caller.tenant_id)
            try:
                added = await add_notice_place(
                    *(session, tenant_actor(caller, asked), name, wanted, self._keys),
                    made_by_id=caller.token_id,
                    settings=self._settings,
                )
            except Unusable as error:
                field = FIELDS.get(error.field, error.field)
                raise InvalidParameter(field, f"{error}; nothing was added") from error
            except NotPossible as error:
                raise InvalidParameter("kind", f"{error.why}; nothing was added") from error
            except Busy as error:
                raise Unavailable from error
        return _place(added)

    async def test(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        place_id = _number(asked)
        async with self._sessions.begin() as session:
            try:
                return _notice(
                    await send_test_notice(
                        *(session, tenant_actor(caller, asked), place_id),
                        tenant_id=caller.tenant_id,
                    )
                )
            except NoSuch as error:
                raise NoticePlaceNotFound from error
            except NotPossible as error:
                raise InvalidParameter("id", f"{error.why}; nothing was sent") from error
            except Busy as error:
                raise Unavailable from error

    async def remove(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        place_id = _number(asked)
        async with self._sessions.begin() as session:
            try:
                shown = await remove_notice_place(
                    *(session, tenant_actor(caller, asked), place_id), tenant_id=caller.tenant_id
                )
            except NoSuch as error:
                raise NoticePlaceNotFound from error
            except Busy as error:
                raise Unavailable from error
        return {"id": place_id, "removed": shown}


def _number(asked: Asked) -> int:
    key = asked.key
    if not (key.isascii() and key.isdigit() and len(key) <= ID_DIGITS_MAX):
        raise NoticePlaceNotFound
    return int(key)


def _place(one: ListedPlace) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind.value,
        "to": one.shown,
        "lang": one.lang.value,
        "events": one.events,
        "low": None if one.low_micros is None else decimal_of(one.low_micros),
        "made_by": one.made_by_id,
        "created_at": ms_of(one.created_at),
        "sent_at": _ms(one.sent_at),
        "due": one.due,
        "dead": one.dead,
        "error": one.error,
    }


def _notice(one: ListedNotice) -> dict[str, Any]:
    return {
        "id": one.webhook_id,
        "place_id": one.place_id,
        "event": one.event.value,
        "state": one.state.value,
        "attempts": one.attempts,
        "error": one.error,
        "created_at": ms_of(one.created_at),
        "ended_at": _ms(one.ended_at),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
