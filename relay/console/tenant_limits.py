"""Limits of a tenant and of its tokens: what is taken of them, set, raised and ended."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.find import tenant_numbered
from relay.desk.limits import raise_limit, set_limits
from relay.desk.shown_limits import read_shown_limits
from relay.html.form import Form, read_form
from relay.limits.tables import IN_MICROS, LimitKind

KINDS = [kind.value for kind in LimitKind]
HOURS_MAX = 24 * 366
ID_MAX = 2**53


class TenantLimits(Controller):
    path = HERE
    guards = (may("tenant.read"),)

    @get("/{tenant_id:int}/limits")
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """List the limits of a tenant, and of its tokens, with what is taken."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            limits = await read_shown_limits(session, tenant.name)
        return await render_of(page, "tenants/limits.html", tenant, limits=limits)

    @get("/{tenant_id:int}/limits/set", guards=[may("limit.set")])
    async def ask_set(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask which limit, and how much."""
        form = Form(page.say, values=dict(request.query_params.items()))
        return await _ask(page, tenant_id, "set", form)

    @post("/{tenant_id:int}/limits/set", guards=[may("limit.set")])
    async def set(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Set one limit, of the tenant or of a token of it; nothing typed ends it."""
        form = await read_form(request, page.say)
        kind, token_id = _read_which(form)
        allowed = None if kind is None else read_amount(form, kind, "allowed")

        async def work(session: AsyncSession) -> None:
            assert kind is not None, "the form is right"
            tenant = await tenant_numbered(session, tenant_id)
            await set_limits(
                *(session, page.actor, {kind: allowed}),
                tenant=tenant.name,
                token_id=token_id,
                zone=page.office.settings.zone,
            )

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}/limits", said="saved")
        return await _ask(page, tenant_id, "set", form, status=status)

    @get("/{tenant_id:int}/limits/raise", guards=[may("limit.raise")])
    async def ask_raise(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask how much more, and for how long."""
        form = Form(page.say, values=dict(request.query_params.items()))
        return await _ask(page, tenant_id, "raise", form)

    @post("/{tenant_id:int}/limits/raise", guards=[may("limit.raise")])
    async def raise_one(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Let one limit allow more for some hours; nothing typed ends that."""
        form = await read_form(request, page.say)
        kind, token_id = _read_which(form)
        allowed = None if kind is None else read_amount(form, kind, "allowed")
        hours = form.whole("hours", least=1, most=HOURS_MAX, must=allowed is not None)
        reason = form.text("reason")

        async def work(session: AsyncSession) -> None:
            assert kind is not None, "the form is right"
            tenant = await tenant_numbered(session, tenant_id)
            await raise_limit(
                *(session, page.actor, kind, allowed),
                until=None if hours is None else datetime.now(UTC) + timedelta(hours=hours),
                tenant=tenant.name,
                token_id=token_id,
                reason=reason,
            )

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}/limits", said="saved")
        return await _ask(page, tenant_id, "raise", form, status=status)


def read_amount(form: Form, kind: LimitKind, name: str) -> int | None:
    """Read what a limit allows: money as micros, all else as a number."""
    return form.amount(name) if kind in IN_MICROS else form.whole(name)


def read_allowed(form: Form) -> Mapping[LimitKind, int | None]:
    """Read limits of every kind, each of a field of its own."""
    return {kind: read_amount(form, kind, f"limit_{kind.value}") for kind in LimitKind}


def _read_which(form: Form) -> tuple[LimitKind | None, int | None]:
    kind = form.choice("kind", KINDS, must=True)
    return None if kind is None else LimitKind(kind), form.whole("token", most=ID_MAX)


async def _ask(
    page: Page, tenant_id: int, act: str, form: Form, *, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    return await render_of(
        *(page, "tenants/limit.html", tenant), status=status, form=form, act=act, kinds=KINDS
    )
