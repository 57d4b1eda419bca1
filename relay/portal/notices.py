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
from relay.portal.page import Asked, Page
from relay.tenants.scope import Scope

HERE = f"{CALLBACKS}/notices"
KINDS = [kind.value for kind in PlaceKind]
LANGS = [lang.value for lang in Lang]
EVENTS = [event.value for event in WANTED]


class Notices(Controller):
    path = HERE
    guards = (may(Scope.MANAGE),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """List places, and what was told there."""
        return await _show(page)

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
            page, form, lambda: page.asking.post("/notices", body), url="to", events=""
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
    told = await page.asking.get("/notices")
    return await page.render(
        "callbacks/notices.html",
        status=status,
        form=form or Form(page.say),
        places=told["places"],
        notices=told["notices"],
        shown={place["id"]: place["to"] for place in told["places"]},
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
