"""Where tenants are told of their business, and what they were told."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import Cursor, Limit, Micros, Name, PathId, QueryId, read_cursor
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.find import tenant_named
from relay.desk.notices import (
    NewPlace,
    add_notice_place,
    remove_notice_place,
    replay_notice,
    send_test_notice,
)
from relay.desk.office import Office
from relay.notices.events import Event
from relay.notices.read import (
    ListedNotice,
    ListedPlace,
    NoticeFilter,
    list_notices,
    list_places,
)
from relay.notices.tables import Lang, NoticeState, PlaceKind


class NewNoticePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant: Name
    kind: PlaceKind
    to: str
    """A URL, a mail address, or a bot's address as its maker shows it; it is never shown again."""
    lang: Lang = Lang.ZH
    events: Sequence[Event] | None = None
    """Null is all."""
    low_micros: Micros | None = None
    """With less left, quota is low; null is what the last 24 hours cost."""

    def __repr__(self) -> str:
        return "NewNoticePlace(...)"


class NoticePlacePage(msgspec.Struct, frozen=True):
    places: list[ListedPlace]
    next_cursor: str | None


class NoticePage(msgspec.Struct, frozen=True):
    notices: list[ListedNotice]
    next_cursor: str | None


class RemovedNoticePlace(msgspec.Struct, frozen=True):
    removed: str


class Notices(Controller):
    path = "/admin/v1/notices"
    tags = ("Notices",)

    @get(**reads("notice.read", 404, streams=True))
    async def list_notices(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        place: QueryId = None,
        event: FromQuery[Event | None] = None,
        wanted_state: Annotated[NoticeState | None, QueryParameter(name="state")] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[NoticePage]:
        """List what tenants were told, or are to be, newest first."""
        async with office.reading() as session:
            wanted = NoticeFilter(
                tenant_id=None if tenant is None else (await tenant_named(session, tenant)).id,
                place_id=place,
                event=event,
                state=wanted_state,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedNotice], int | None]:
            asked = msgspec.structs.replace(wanted, before_id=before_id)
            return cut(await list_notices(session, asked, limit=most + 1), most)

        return await answer_list(
            *(office, listing, read, ListedNotice),
            page=NoticePage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @post("/{notice_id:int}/replay", **acts("notice.replay", 404))
    async def replay(
        self, desk: NamedDependency[AtDesk], notice_id: PathId
    ) -> Response[ListedNotice]:
        """Send a notice again that has ended: the same words, the same webhook id."""

        async def work(session: AsyncSession, actor: Actor) -> ListedNotice:
            return await replay_notice(session, actor, notice_id)

        return await desk.act(work, status=201)

    @get("/places", **reads("notice.read", 404, streams=True))
    async def list_places(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[NoticePlacePage]:
        """List where tenants are told, newest first, with what did not arrive."""
        async with office.reading() as session:
            whose = None if tenant is None else (await tenant_named(session, tenant)).id

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedPlace], int | None]:
            found = await list_places(session, tenant_id=whose, before_id=before_id, limit=most + 1)
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ListedPlace),
            page=NoticePlacePage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @post("/places", **acts("notice.add", 404))
    async def add(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewNoticePlace]
    ) -> Response[ListedPlace]:
        """Have a tenant told at one more place, from now on."""
        wanted = NewPlace(
            kind=data.kind,
            to=data.to,
            lang=data.lang,
            events=data.events,
            low_micros=data.low_micros,
        )

        async def work(session: AsyncSession, actor: Actor) -> ListedPlace:
            return await add_notice_place(
                *(session, actor, data.tenant, wanted, desk.keys), settings=desk.settings
            )

        return await desk.act(work, status=201)

    @delete("/places/{place_id:int}", **acts("notice.remove", 404), status_code=200)
    async def remove(
        self, desk: NamedDependency[AtDesk], place_id: PathId
    ) -> Response[RemovedNoticePlace]:
        """Tell nothing at a place any more; what waits for it is dropped."""

        async def work(session: AsyncSession, actor: Actor) -> RemovedNoticePlace:
            return RemovedNoticePlace(await remove_notice_place(session, actor, place_id))

        return await desk.act(work)

    @post("/places/{place_id:int}/test", **acts("notice.test", 404))
    async def test(self, desk: NamedDependency[AtDesk], place_id: PathId) -> Response[ListedNotice]:
        """Have a worker send a test there; its row says what becomes of it."""

        async def work(session: AsyncSession, actor: Actor) -> ListedNotice:
            return await send_test_notice(session, actor, place_id)

        return await desk.act(work, status=201)
