"""A form that was sent when its session was over: kept in the page that asks to log in again.

It stands in that page and nowhere else, without what is secret. Whoever is in again goes back to it
by a button, finds it as it was filled in, and nothing is done until it is sent anew.
"""

from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_403_FORBIDDEN, HTTP_413_REQUEST_ENTITY_TOO_LARGE

from relay.html.form import CSRF, SECRET, SHOWN_ANEW, Form, read_form
from relay.html.site import Site

KEPT = "kept"
"""The field of pages that carry one."""
LEFT_OUT = SECRET | {CSRF, SHOWN_ANEW, "sure"}
"""Of what was confirmed too: that is asked for anew."""
CHARS_MAX = 60_000


class Kept(msgspec.Struct, frozen=True):
    path: str
    """Where it is sent to: a page of the site."""
    lists: dict[str, list[str]]
    """What was filled in, by field."""

    @property
    def spelt(self) -> str:
        return msgspec.json.encode(self).decode()

    @property
    def fields(self) -> list[tuple[str, str]]:
        return [(name, value) for name, values in self.lists.items() for value in values]


def keep(site: Site, path: str, form: Form) -> Kept | None:
    """Keep what was filled in; None where that is nothing, or more than a page carries along."""
    lists = {name: given for name, given in form.lists.items() if name not in LEFT_OUT}
    kept = Kept(path, lists)
    if not any(map(any, lists.values())) or site.own_address(path) != path:
        return None
    return kept if len(kept.spelt) <= CHARS_MAX else None


def read_kept(site: Site, given: str) -> Kept | None:
    """Read what a page carried along; None of what is no form of the site's."""
    try:
        kept = msgspec.json.decode(given, type=Kept)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return keep(site, kept.path, Form(str, lists=kept.lists))


def page_before(site: Site, request: Any) -> str:
    """Give the page of the site that a form stood on, as the browser says; its first page else."""
    try:
        came = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return site.root
    return site.own_address(f"{came.path}?{came.query}" if came.query else came.path)


async def ask_who_sent(page: Any, request: Any) -> Response[Any]:
    """Ask to log in, with the form that was sent without a session, where one was filled in."""
    site: Site = page.site
    try:
        form = await read_form(request, page.say)
    except HTTPException as error:
        if error.status_code != HTTP_413_REQUEST_ENTITY_TOO_LARGE:
            raise
        form = Form(page.say)
    kept, back = keep(site, request.scope.get("sent_to", ""), form), page_before(site, request)
    if kept is None:
        query = "" if back == site.root else "?" + urlencode({"next": back})
        answer: Response[Any] = page.go(site.door + query)
    else:
        answer = await page.render(
            "login.html", status=HTTP_403_FORBIDDEN, form=Form(page.say), next=back, kept=kept
        )
    return answer


async def go_on(page: Any, request: Any, secret: str, there: str, form: Form) -> Response[Any]:
    """Answer who has just logged in: with the form that was kept, or by leading on."""
    kept = read_kept(page.site, form.values.get(KEPT, ""))
    visitor = None if kept is None else await request.scope["find_visitor"](secret)
    answer: Response[Any]
    if visitor is None:
        answer = page.go(there)
    else:
        request.scope["user"] = visitor
        answer = await page.render("kept.html", kept=kept)
    return answer
