"""Where a tenant is told of its business, and what it was told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.places import PlaceUnusable
from relay.alerts.send import CannotSend, check_sender
from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.lists import ID_MAX, RowList
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_numbered
from relay.desk.notices import (
    NewPlace,
    add_notice_place,
    remove_notice_place,
    replay_notice,
    send_test_notice,
)
from relay.html.form import Form, read_form
from relay.notices.events import WANTED, Event
from relay.notices.places import Means, mail_to, read_address
from relay.notices.read import ListedNotice, ListedPlace, NoticeFilter, list_notices, list_places
from relay.notices.tables import Lang, NoticeState, PlaceKind
from relay.pages.rows import Read, cut

KINDS, LANGS = [kind.value for kind in PlaceKind], [lang.value for lang in Lang]
EVENTS = [event.value for event in Event]
STATES = [state.value for state in NoticeState if state is not NoticeState.KNOWN]
ADDRESS_CHARS_MAX = 2000


class TenantNotices(Controller):
    path = HERE
    guards = (may("notice.read"),)

    @get("/{tenant_id:int}/notices")
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """List the places, and what was told there, newest first."""
        return await _show(page, tenant_id)

    @get("/{tenant_id:int}/notices/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give what was told as a file, all of it."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
        back, whose = f"{HERE}/{tenant_id}/notices", f"of-{tenant.name}"
        return await NOTICES.file(page, file_form, back=back, whose=whose, tenant_id=tenant_id)

    @get("/{tenant_id:int}/notices/add", guards=[may("notice.add")])
    async def ask_place(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask for one more place."""
        return await _ask_place(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/notices/add", guards=[may("notice.add")])
    async def add(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Have it told there from now on; the address is never shown again."""
        form = await read_form(request, page.say)
        kind = form.choice("kind", KINDS, must=True)
        to = form.text("to", must=True, most=ADDRESS_CHARS_MAX)
        lang = form.choice("lang", LANGS, must=True)
        low_micros = form.amount("low")
        events = [Event(name) for name in form.chosen("events") if name in WANTED]
        if form.is_right and (why := await asyncio.to_thread(_why_unusable, page, kind, to)):
            form.errors["to"] = page.say("Nothing can be sent there: %(why)s.", why=why)

        async def work(session: AsyncSession) -> ListedPlace:
            tenant = await tenant_numbered(session, tenant_id)
            wanted = NewPlace(
                kind=PlaceKind(kind or ""),
                to=to or "",
                lang=Lang(lang or ""),
                events=None if len(events) in (0, len(WANTED)) else events,
                low_micros=low_micros,
            )
            return await add_notice_place(
                *(session, page.actor_by(form), tenant.name, wanted, page.office.keys),
                settings=page.office.settings,
            )

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}/notices", said="added")
        return await _ask_place(page, tenant_id, form, status=status)

    @get("/{tenant_id:int}/notices/places/{place_id:int}/remove", guards=[may("notice.remove")])
    async def ask_removal(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], place_id: FromPath[int]
    ) -> Response[Any]:
        """Ask whether nothing is to be told there any more."""
        return await _ask_removal(page, tenant_id, place_id, Form(page.say))

    @post("/{tenant_id:int}/notices/places/{place_id:int}/remove", guards=[may("notice.remove")])
    async def remove(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        place_id: FromPath[int],
    ) -> Response[Any]:
        """Tell nothing there any more; what waits for it is dropped."""
        form = await read_form(request, page.say)

        async def work(session: AsyncSession) -> None:
            await remove_notice_place(session, page.actor, place_id, tenant_id=tenant_id)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}/notices", said="removed")
        return await _ask_removal(page, tenant_id, place_id, form, status=status)

    @post("/{tenant_id:int}/notices/places/{place_id:int}/test", guards=[may("notice.test")])
    async def test(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        place_id: FromPath[int],
    ) -> Response[Any]:
        """Have a worker send a test there; its row says what becomes of it."""

        async def work(session: AsyncSession) -> None:
            await send_test_notice(session, page.actor, place_id, tenant_id=tenant_id)

        return await _send(page, request, tenant_id, work)

    @post("/{tenant_id:int}/notices/{notice_id:int}/replay", guards=[may("notice.replay")])
    async def replay(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        notice_id: FromPath[int],
    ) -> Response[Any]:
        """Send one again that has ended: the same words, the same id."""

        async def work(session: AsyncSession) -> None:
            whose = NoticeFilter(tenant_id=tenant_id, notice_id=notice_id)
            if not await list_notices(session, whose, limit=1):
                raise NoSuch("notice", notice_id)
            await replay_notice(session, page.actor, notice_id)

        return await _send(page, request, tenant_id, work)


async def _send(
    page: Page,
    request: Asked,
    tenant_id: int,
    work: Callable[[AsyncSession], Awaitable[None]],
) -> Response[Any]:
    form = await read_form(request, page.say)
    _, status = await attempt(page, form, work)
    if form.is_right:
        return page.go(f"{HERE}/{tenant_id}/notices", said="due")
    return await _show(page, tenant_id, form, status=status)


async def _show(
    page: Page, tenant_id: int, sent: Form | None = None, *, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
        places = await list_places(session, tenant_id=tenant_id)
        found = await NOTICES.page(page, session, tenant_id=tenant_id)
    return await render_of(
        *(page, "tenants/notices.html", tenant),
        status=status,
        form=sent or found.form,
        places=places,
        notices=found.rows,
        next_cursor=found.next_cursor,
        events=EVENTS,
    )


async def _read_of(_: AsyncSession, __: Page, form: Form, *, tenant_id: int) -> Read[ListedNotice]:
    event, state = form.choice("event", EVENTS), form.choice("state", STATES)
    wanted = NoticeFilter(
        tenant_id=tenant_id,
        place_id=form.whole("place", most=ID_MAX),
        event=None if event is None else Event(event),
        state=None if state is None else NoticeState(state),
    )

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedNotice], int | None]:
        within = msgspec.structs.replace(wanted, before_id=before_id)
        return cut(await list_notices(session, within, limit=most + 1), most)

    return read


NOTICES = RowList(_read_of, ListedNotice, name="notices", title=lambda page: page.say("Notices"))


async def _ask_place(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    return await render_of(
        *(page, "tenants/notice_place.html", tenant),
        status=status,
        form=form,
        kinds=KINDS,
        events=[event.value for event in WANTED],
        has_mail=page.office.settings.mail_url is not None,
    )


async def _ask_removal(
    page: Page, tenant_id: int, place_id: int, form: Form, *, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
        found = await list_places(session, tenant_id=tenant_id, place_id=place_id)
    if not found:
        raise NoSuch("notice place", place_id)
    return await render_of(
        page, "tenants/notice_remove.html", tenant, status=status, form=form, place=found[0]
    )


def _why_unusable(page: Page, kind: str | None, to: str | None) -> str | None:
    """Say why nothing could be sent there from here; in a thread, since the library is large."""
    settings = page.office.settings
    if kind is None or to is None or kind == PlaceKind.WEBHOOK:
        return None
    try:
        url = read_address(PlaceKind(kind), to, Means.of(settings))
        is_mail = kind == PlaceKind.MAIL
        check_sender(mail_to(settings.mail_url or "", url) if is_mail else url)
    except (PlaceUnusable, CannotSend) as error:
        return page.hear(str(error)).rstrip(".")
    return None
