"""Notices: where the tenant is told of its business, and what it was told lately."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from relay.html.form import Form, read_form
from relay.money import decimal_of
from relay.notices.events import WANTED
from relay.notices.tables import Lang, PlaceKind
from relay.portal.access import may
from relay.portal.acting import OK, attempt
from relay.portal.callbacks import HERE as CALLBACKS
from relay.portal.files import Columns
from relay.portal.lists import AnswerList, AskFor
from relay.portal.page import Asked, Page
from relay.tenants.scope import Scope

HERE = f"{CALLBACKS}/notices"
KINDS = [kind.value for kind in PlaceKind]
LANGS = [lang.value for lang in Lang]
EVENTS = [event.value for event in WANTED]
COLUMNS = Columns(
    ("id", "created_at", "event", "place", "place_id", "state", "attempts", "error", "ended_at"),
    counts=("attempts",),
)
PLACE_COLUMNS = Columns(
    ("id", "kind", "to", "lang", "events", "low", "created_at", "sent_at", "error"),
    amounts=("low",),
    moments=("created_at", "sent_at"),
)


class Notices(Controller):
    path = HERE
    guards = (may(Scope.MANAGE),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """List places, and what was told there."""
        return await _show(page)

    @get("/list/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give what was told as a file, all of it."""
        return await NOTICES.file(page, form_name, back=HERE)

    @get("/places/{form_name:str}")
    async def show_places_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give the places as a file, by what of their addresses is shown."""
        return await PLACES.file(page, form_name, back=HERE)

    @get("/add")
    async def ask_add(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask where, and of what."""
        return await _ask_add(page, Form(page.say, values={"lang": page.language}))

    @post("/add")
    async def add(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Add a place."""
        form = await read_form(request, page.say)
        low, events = form.amount("low"), [one for one in form.chosen("event") if one in EVENTS]
        body = {
            "kind": form.choice("kind", KINDS, must=True),
            "to": form.text("to", must=True, most=4096),
            "lang": form.choice("lang", LANGS, must=True),
            "events": events if events and len(events) < len(EVENTS) else None,
            "low": None if low is None else decimal_of(low),
        }
        _, status = await attempt(
            *(page, form, lambda: page.asking.post("/notices", body, form_key=form.key)),
            url="to",
            events="",
        )
        if not form.is_right:
            return await _ask_add(page, form, status=status)
        return page.go(HERE, said="added")

    @post("/{place_id:int}/test")
    async def test(
        self, page: NamedDependency[Page], request: Asked, place_id: FromPath[int]
    ) -> Response[Any]:
        """Send a test there."""
        form = await read_form(request, page.say)
        _, status = await attempt(page, form, lambda: page.asking.post(f"/notices/{place_id}/test"))
        return page.go(HERE, said="due") if form.is_right else await _show(page, form, status)

    @get("/{place_id:int}/remove")
    async def ask_remove(
        self, page: NamedDependency[Page], place_id: FromPath[int]
    ) -> Response[Any]:
        """Ask whether nothing more is to be told there."""
        for place in (await page.asking.get("/notices"))["places"]:
            if place["id"] == place_id:
                return await page.render("callbacks/unplace.html", place=place)
        raise NotFoundException

    @post("/{place_id:int}/remove")
    async def remove(self, page: NamedDependency[Page], place_id: FromPath[int]) -> Response[Any]:
        """Tell nothing more there."""
        await page.asking.post(f"/notices/{place_id}/remove")
        return page.go(HERE, said="removed")


async def _show(page: Page, form: Form | None = None, status: int = OK) -> Response[Any]:
    found = await NOTICES.page(page)
    places = await PLACES.page(page)
    return await page.render(
        "callbacks/notices.html",
        status=status,
        form=form or found.form,
        places=places.rows,
        notices=found.rows,
        next_cursor=found.next_cursor,
    )


def _asked_of(page: Page, _: Form) -> AskFor:
    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        told = await page.asking.get("/notices", pageSize=most, before=before)
        shown = {place["id"]: place["to"] for place in told["places"]}
        rows = [one | {"place": shown.get(one["place_id"])} for one in told["notices"]]
        return rows, told["next_before"]

    return ask


NOTICES = AnswerList(_asked_of, COLUMNS, name="notices", title=lambda page: page.say("Notices"))


def _places_of(page: Page, _: Form) -> AskFor:
    async def ask(_: object, __: int) -> tuple[list[Any], object]:
        return (await page.asking.get("/notices", pageSize=1))["places"], None

    return ask


PLACES = AnswerList(
    _places_of, PLACE_COLUMNS, name="notice-places", title=lambda page: page.say("Place")
)


async def _ask_add(page: Page, form: Form, *, status: int = OK) -> Response[Any]:
    return await page.render(
        "callbacks/place.html",
        status=status,
        form=form,
        kinds=KINDS,
        langs=LANGS,
        events=EVENTS,
        chosen=form.chosen("event") if form.lists else EVENTS,
    )
