"""Limits: what bounds the tenant and the key that looks, and what is set of other keys."""

from decimal import Decimal
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.html.form import Form, read_form
from relay.money import decimal_of
from relay.portal.acting import OK, attempt
from relay.portal.keys import HERE, find_key, limits_by_key
from relay.portal.page import Asked, Page

OF_MONEY = ("day", "week", "month", "total", "task")
COUNTED = ("in_flight", "rate")
KINDS = OF_MONEY + COUNTED
COUNT_MAX = 100_000


class KeyLimits(Controller):
    path = HERE

    @get("/limits")
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show what bounds the tenant, and the visitor's own key."""
        told = await page.asking.get("/limits")
        found = limits_by_key(told["limits"])
        return await page.render(
            "keys/limits.html",
            of_all=found.get(None, []),
            of_own=found.get(page.visitor.caller.token_id, []),
            let_in=told["let_in"],
        )

    @get("/{token_id:int}/limits")
    async def ask(self, page: NamedDependency[Page], token_id: FromPath[int]) -> Response[Any]:
        """Ask what one key may take at most."""
        return await _ask(page, token_id, None)

    @post("/{token_id:int}/limits")
    async def set(
        self, page: NamedDependency[Page], request: Asked, token_id: FromPath[int]
    ) -> Response[Any]:
        """Set what was changed; a field that is empty takes its limit away."""
        form = await read_form(request, page.say)
        allowed = read_allowed(form)
        before = await _limits_of(page, token_id)
        # A limit that is raised for a while shows what it allows now: as it is, it stays so.
        changed = {
            kind: amount
            for kind, amount in allowed.items()
            if not _is_alike(amount, before.get(kind, {}).get("allowed"))
        }
        _, status = await attempt(
            page, form, lambda: page.asking.post(f"/tokens/{token_id}/limits", changed)
        )
        if not form.is_right:
            return await _ask(page, token_id, form, status=status)
        return page.go(HERE, said="saved")


def read_allowed(form: Form) -> dict[str, str | int | None]:
    """Read limits of every kind, each of a field of its own, as `/relay/…` takes them."""
    given: dict[str, str | int | None] = {}
    for kind in OF_MONEY:
        micros = form.amount(kind)
        given[kind] = None if micros is None else decimal_of(micros)
    for kind in COUNTED:
        given[kind] = form.whole(kind, most=COUNT_MAX)
    return given


async def _limits_of(page: Page, token_id: int) -> dict[str, dict[str, Any]]:
    limits = (await page.asking.get("/limits"))["limits"]
    return {one["kind"]: one for one in limits if one["token_id"] == token_id}


async def _ask(page: Page, token_id: int, form: Form | None, *, status: int = OK) -> Response[Any]:
    key = await find_key(page, token_id)
    limits = await _limits_of(page, token_id)
    if form is None:
        form = Form(page.say, values={kind: str(it["allowed"]) for kind, it in limits.items()})
    return await page.render(
        *("keys/limit.html",),
        status=status,
        form=form,
        key=key,
        limits=limits,
        kinds=KINDS,
        of_money=OF_MONEY,
    )


def _is_alike(one: str | int | None, other: str | int | None) -> bool:
    if one is None or other is None:
        return one is other
    return Decimal(one) == Decimal(other)
