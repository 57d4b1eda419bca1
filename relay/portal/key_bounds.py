"""What a key may, changed after it was made: its name, scope, last day, and what it is for."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from relay.html.days import read_day
from relay.html.form import Form, read_form
from relay.moments import ms_of
from relay.portal.access import may
from relay.portal.acting import OK, attempt, read_names
from relay.portal.keys import HERE, SCOPES, back_of, find_key, line_of, read_keys
from relay.portal.page import Asked, Page
from relay.tenants.scope import Scope

NAMES = ("addresses", "endpoints", "models", "groups")
FIELDS = ("name", "scope", "until", "queue", *NAMES)


class KeyBounds(Controller):
    path = HERE
    guards = (may(Scope.MANAGE),)

    @get("/{token_id:int}/change")
    async def ask(
        self, page: NamedDependency[Page], token_id: FromPath[int], below: FromQuery[str] = ""
    ) -> Response[Any]:
        """Ask what is to be changed of one that came of the visitor's own."""
        return await _ask(page, token_id, below, None)

    @post("/{token_id:int}/change")
    async def change(
        self, page: NamedDependency[Page], request: Asked, token_id: FromPath[int]
    ) -> Response[Any]:
        """Change what was typed anew; a field that was emptied takes its bound away."""
        form = await read_form(request, page.say)
        below = form.values.get("below", "")
        shown = fields_of(await find_key(page, token_id, below), page)
        wanted = _read(form, page)
        # What nobody touched is not sent: a day stands for a moment in it, which stays.
        body = {
            "expires_at" if name == "until" else name: wanted[name]
            for name in FIELDS
            if form.values.get(name, "").strip() != shown[name]
        }
        _, status = await attempt(
            *(page, form, lambda: page.asking.post(f"/tokens/{token_id}", body)),
            expires_at="until",
        )
        if not form.is_right:
            return await _ask(page, token_id, below, form, status=status)
        return page.go(back_of(below), said="saved")


def fields_of(key: dict[str, Any], page: Page) -> dict[str, str]:
    """Spell a key as its form has it."""
    queue_s = key["queue_s"]
    # The last moment of it; a day ends with the next one's first.
    until = None if key["expires_at"] is None else page.at(key["expires_at"] - 1)
    return {
        "name": key["name"] or "",
        "scope": key["scope"],
        "until": "" if until is None else f"{until.astimezone(page.zone):%Y-%m-%d}",
        "queue": "" if queue_s is None else f"{queue_s}s",
        **{name: ", ".join(key[name] or ()) for name in NAMES},
    }


def _read(form: Form, page: Page) -> dict[str, Any]:
    until = read_day(form, "until", page.zone, is_end=True)
    return {
        "name": form.text("name", most=100),
        "scope": form.choice("scope", SCOPES, must=True),
        "until": None if until is None else ms_of(until),
        "queue": form.text("queue", most=20),
        **{name: read_names(form, name) for name in NAMES},
    }


async def _ask(
    page: Page, token_id: int, below: str, form: Form | None, *, status: int = OK
) -> Response[Any]:
    key = await find_key(page, token_id, below)
    if form is None:
        form = Form(page.say, values=fields_of(key, page))
    # Of the tenant's own keys, also where another tenant's is changed: its makers are among them.
    line = line_of(page, await read_keys(page))
    return await page.render(
        *("keys/change.html",),
        status=status,
        form=form,
        key=key,
        scopes=SCOPES,
        below=below,
        back=back_of(below),
        is_theirs=bool(below) or token_id in line.made - {page.visitor.caller.token_id},
    )
