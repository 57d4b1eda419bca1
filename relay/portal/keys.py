"""A tenant's keys: listed, made, given new ones, ended. What is secret is shown once."""

from typing import Any, NamedTuple
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from relay.errors import TokenNotFound
from relay.html.days import read_day
from relay.html.form import Form, read_form
from relay.moments import ms_of
from relay.portal.access import may
from relay.portal.acting import OK, attempt, read_names
from relay.portal.gate import ROOT
from relay.portal.page import Asked, Page
from relay.tenants.scope import Scope

HERE = f"{ROOT}/tokens"
SCOPES = [scope.value for scope in Scope]
KEEP_HOURS_MAX = 720


class Keys(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List keys, newest first; who may not is shown what bounds its own."""
        if not page.may("manage"):
            return page.go(f"{HERE}/limits")
        form = Form(page.say, values=dict(request.query_params.items()))
        keys = await read_keys(page)
        limits = (await page.asking.get("/limits"))["limits"]
        is_shown = form.is_checked("all")
        return await page.render(
            "keys/list.html",
            form=form,
            keys=[one for one in reversed(keys) if is_shown or one["revoked_at"] is None],
            limits=limits_by_key(limits),
            below=None,
            line=line_of(page, keys),
        )

    @get("/make", guards=[may(Scope.MANAGE)])
    async def ask_make(
        self, page: NamedDependency[Page], below: FromQuery[str] = ""
    ) -> Response[Any]:
        """Ask what a new key is for."""
        return await _ask_make(page, below, Form(page.say))

    @post("/make")
    async def make(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Make a key, and show what is secret of it this once."""
        form = await read_form(request, page.say)
        below = form.values.get("below", "")
        body = _read_new(form, page)
        issued, status = await attempt(
            *(
                page,
                form,
                lambda: page.asking.post(f"{_of(below)}/tokens", body, form_key=form.key),
            ),
            expires_at="until",
        )
        if issued is None:
            return await _ask_make(page, below, form, status=status)
        return await _show_issued(page, issued, below)

    @get("/{token_id:int}/rotate")
    async def ask_rotate(
        self, page: NamedDependency[Page], token_id: FromPath[int], below: FromQuery[str] = ""
    ) -> Response[Any]:
        """Ask for how long what it had is to be taken."""
        return await _ask(page, token_id, below, "rotate", Form(page.say))

    @post("/{token_id:int}/rotate")
    async def rotate(
        self, page: NamedDependency[Page], request: Asked, token_id: FromPath[int]
    ) -> Response[Any]:
        """Give it new credentials, and show them this once."""
        form = await read_form(request, page.say)
        below = form.values.get("below", "")
        body: dict[str, Any] = {
            "keep_hours": form.whole("keep_hours", most=KEEP_HOURS_MAX, must=True)
        }
        if "access_key" in form.values:
            # A second click is none for a second pair: by that the keys in use would end at once.
            body["access_key"] = form.values["access_key"] or None
        issued, status = await attempt(
            page, form, lambda: page.asking.post(f"/tokens/{token_id}/rotate", body)
        )
        if issued is None:
            return await _ask(page, token_id, below, "rotate", form, status=status)
        return await _show_issued(page, issued, below)

    @get("/{token_id:int}/revoke")
    async def ask_revoke(
        self, page: NamedDependency[Page], token_id: FromPath[int], below: FromQuery[str] = ""
    ) -> Response[Any]:
        """Say what the end of a key comes to."""
        return await _ask(page, token_id, below, "revoke", Form(page.say))

    @post("/{token_id:int}/revoke")
    async def revoke(
        self, page: NamedDependency[Page], request: Asked, token_id: FromPath[int]
    ) -> Response[Any]:
        """End it for good, with those that it made."""
        form = await read_form(request, page.say)
        below = form.values.get("below", "")
        body = {"leaked": form.is_checked("leaked")}
        _, status = await attempt(
            page, form, lambda: page.asking.post(f"/tokens/{token_id}/revoke", body)
        )
        if not form.is_right:
            return await _ask(page, token_id, below, "revoke", form, status=status)
        return page.go(back_of(below), said="done")


async def read_keys(page: Page, below: str = "") -> list[dict[str, Any]]:
    """Read all keys of the tenant, or of one below it."""
    found: list[dict[str, Any]] = await page.asking.get(f"{_of(below)}/tokens")
    return found


async def find_key(page: Page, token_id: int, below: str = "") -> dict[str, Any]:
    """Read one of them, or raise TokenNotFound."""
    for one in await read_keys(page, below):
        if one["id"] == token_id:
            return one
    raise TokenNotFound


class Line(NamedTuple):
    """What the visitor's own key came of, and what came of it; itself is in both."""

    makers: set[int]
    made: set[int]


def line_of(page: Page, keys: list[dict[str, Any]]) -> Line:
    """Tell which of the keys that it sees stand in the visitor's own line."""
    own, maker_of = page.visitor.caller.token_id, {one["id"]: one["made_by"] for one in keys}

    def above_of(token_id: int | None) -> set[int]:
        above: set[int] = set()
        while token_id is not None and token_id not in above:
            above.add(token_id)
            token_id = maker_of.get(token_id)
        return above

    return Line(above_of(own), {one for one in maker_of if own in above_of(one)} | {own})


def limits_by_key(limits: list[dict[str, Any]]) -> dict[int | None, list[dict[str, Any]]]:
    """Sort limits by whose they are; under None those of the whole tenant."""
    found: dict[int | None, list[dict[str, Any]]] = {}
    for one in limits:
        found.setdefault(one["token_id"], []).append(one)
    return found


def back_of(below: str) -> str:
    """Say where the keys stand that a form was about."""
    return f"{HERE}/tenants/{quote(below, safe='')}/keys" if below else HERE


def _of(below: str) -> str:
    return f"/tenants/{quote(below, safe='')}" if below else ""


def _read_new(form: Form, page: Page) -> dict[str, Any]:
    """Read what `POST /relay/tokens` takes; what was not typed is left out."""
    until = read_day(form, "until", page.zone, is_end=True)
    endpoints = read_names(form, "endpoints")
    for name in endpoints or ():
        if name not in page.portal.catalogue.names:
            form.errors["endpoints"] = page.say("There is no endpoint %(name)s.", name=name)
    given = {
        "name": form.text("name", most=100),
        "scope": form.choice("scope", SCOPES, must=True),
        "queue": form.text("queue", most=20),
        "groups": read_names(form, "groups"),
        "test": form.is_checked("test") or None,
        "expires_at": None if until is None else ms_of(until),
        "addresses": read_names(form, "addresses"),
        "endpoints": endpoints,
        "models": read_names(form, "models"),
    }
    return {name: value for name, value in given.items() if value is not None}


async def _ask_make(page: Page, below: str, form: Form, *, status: int = OK) -> Response[Any]:
    let_in = (await page.asking.get("/limits"))["let_in"]
    return await page.render(
        "keys/make.html",
        status=status,
        form=form,
        scopes=SCOPES,
        below=below,
        back=back_of(below),
        let_in=let_in,
    )


async def _ask(
    page: Page, token_id: int, below: str, act: str, form: Form, *, status: int = OK
) -> Response[Any]:
    key = await find_key(page, token_id, below)
    return await page.render(
        "keys/act.html",
        status=status,
        form=form,
        act=act,
        key=key,
        below=below,
        back=back_of(below),
        is_own=token_id == page.visitor.caller.token_id,
    )


async def _show_issued(page: Page, issued: dict[str, Any], below: str) -> Response[Any]:
    return await page.render("keys/issued.html", issued=issued, below=below, back=back_of(below))
