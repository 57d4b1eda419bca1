"""Tenants below the visitor's: opened, changed, closed, and their keys."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from relay.html.form import Form, read_form
from relay.portal.access import may
from relay.portal.acting import OK, attempt
from relay.portal.key_limits import KINDS, OF_MONEY, read_allowed
from relay.portal.keys import HERE as KEYS
from relay.portal.keys import line_of, read_keys
from relay.portal.page import Asked, Page
from relay.tenants.scope import Scope

HERE = f"{KEYS}/tenants"
FACTOR_MAX = Decimal(1000)


class SubTenants(Controller):
    path = HERE
    guards = (may(Scope.MANAGE),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """List them, with what bounds each."""
        return await page.render("keys/tenants.html", tenants=await page.asking.get("/tenants"))

    @get("/open")
    async def ask_open(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask what it is to be called, and by which factor its prices are yours."""
        return await _ask(page, Form(page.say), None)

    @post("/open")
    async def open(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Open one."""
        form = await read_form(request, page.say)
        name, factor = form.text("name", must=True, most=100), _factor(form)
        limits = {kind: it for kind, it in read_allowed(form).items() if it is not None}
        body = {"name": name, "factor": factor} | ({"limits": limits} if limits else {})
        opened, status = await attempt(page, form, lambda: page.asking.post("/tenants", body))
        if opened is None:
            return await _ask(page, form, None, status=status)
        return page.go(f"{HERE}/{quote(opened['name'], safe='')}/keys", said="added")

    @get("/{name:str}/keys")
    async def show_keys(
        self, page: NamedDependency[Page], request: Asked, name: FromPath[str]
    ) -> Response[Any]:
        """List the keys of one."""
        await _find(page, name)
        form = Form(page.say, values=dict(request.query_params.items()))
        keys = await read_keys(page, name)
        return await page.render(
            "keys/list.html",
            form=form,
            keys=[one for one in reversed(keys) if form.is_checked("all") or not one["revoked_at"]],
            limits={},
            below=name,
            line=line_of(page, keys),
        )

    @get("/{name:str}/change")
    async def ask_change(self, page: NamedDependency[Page], name: FromPath[str]) -> Response[Any]:
        """Ask what is to be another factor, limit or state."""
        one = await _find(page, name)
        values = {each["kind"]: str(each["allowed"]) for each in one["limits"]}
        values |= {"factor": one["factor"]} | ({"enabled": "on"} if one["enabled"] else {})
        return await _ask(page, Form(page.say, values=values), one)

    @post("/{name:str}/change")
    async def change(
        self, page: NamedDependency[Page], request: Asked, name: FromPath[str]
    ) -> Response[Any]:
        """Change what is another than it was."""
        one = await _find(page, name)
        form = await read_form(request, page.say)
        factor, before = _factor(form), {each["kind"]: each["allowed"] for each in one["limits"]}
        limits = {
            kind: it for kind, it in read_allowed(form).items() if _differs(it, before.get(kind))
        }
        body: dict[str, Any] = {"limits": limits} if limits else {}
        if _differs(factor, one["factor"]):
            body["factor"] = factor
        if form.is_checked("enabled") != one["enabled"]:
            body["enabled"] = form.is_checked("enabled")
        path = f"/tenants/{quote(name, safe='')}"
        _, status = await attempt(page, form, lambda: page.asking.post(path, body))
        if not form.is_right:
            return await _ask(page, form, one, status=status)
        return page.go(HERE, said="saved")

    @get("/{name:str}/close")
    async def ask_close(self, page: NamedDependency[Page], name: FromPath[str]) -> Response[Any]:
        """Say what its end comes to."""
        return await _ask_close(page, await _find(page, name), Form(page.say))

    @post("/{name:str}/close")
    async def close(
        self, page: NamedDependency[Page], request: Asked, name: FromPath[str]
    ) -> Response[Any]:
        """Shut it out for good."""
        one = await _find(page, name)
        form = await read_form(request, page.say)
        path = f"/tenants/{quote(name, safe='')}/close"
        _, status = await attempt(page, form, lambda: page.asking.post(path))
        if not form.is_right:
            return await _ask_close(page, one, form, status=status)
        return page.go(HERE, said="removed")


def _factor(form: Form) -> str | None:
    factor = form.decimal("factor", must=True)
    if factor is not None and not 1 <= factor <= FACTOR_MAX:
        form.errors["factor"] = form.say(
            "A factor from %(least)s to %(most)s.", least=1, most=FACTOR_MAX
        )
    return None if factor is None else str(factor)


def _differs(one: str | int | None, other: str | int | None) -> bool:
    if one is None or other is None:
        return one is not other
    return Decimal(one) != Decimal(other)


async def _find(page: Page, name: str) -> dict[str, Any]:
    """Read one of those below the visitor's tenant."""
    for one in await page.asking.get("/tenants"):
        if one["name"] == name:
            found: dict[str, Any] = one
            return found
    raise NotFoundException


async def _ask(
    page: Page, form: Form, one: dict[str, Any] | None, *, status: int = OK
) -> Response[Any]:
    return await page.render(
        *("keys/tenant.html",), status=status, form=form, one=one, kinds=KINDS, of_money=OF_MONEY
    )


async def _ask_close(
    page: Page, one: dict[str, Any], form: Form, *, status: int = OK
) -> Response[Any]:
    return await page.render("keys/close.html", status=status, form=form, one=one)
