"""A tenant's quota: topped up, corrected, and how much of it may be owed."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt, is_sure, rehearse
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.errors import DoneBefore
from relay.desk.find import tenant_numbered
from relay.desk.money import add_quota, adjust_quota, set_credit
from relay.html.form import Form, read_form
from relay.ledger.tables import TopupKind

KINDS = tuple(kind.value for kind in TopupKind)


class Planned(msgspec.Struct, frozen=True):
    """What an act would come to, which its page says before it is done."""

    amount_micros: int
    """Added, or the credit that is to be."""


def _read_change(page: Page, form: Form) -> int:
    """Read what a quota is changed by, up or down; nothing is refused before one is asked."""
    amount_micros = form.amount("amount", must=True, signed=True)
    if amount_micros == 0:
        form.errors["amount"] = page.sentence("0 changes nothing")
    return amount_micros or 0


class TenantMoney(Controller):
    path = HERE

    @get("/{tenant_id:int}/top-up", guards=[may("tenant.top_up")])
    async def ask_top_up(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask how much was paid or given, and under which reference."""
        return await _ask(page, tenant_id, "top-up", Form(page.say))

    @post("/{tenant_id:int}/top-up", guards=[may("tenant.top_up")])
    async def top_up(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Add quota, once per reference."""
        form = await read_form(request, page.say)
        kind = form.choice("kind", KINDS, must=True)
        amount_micros = _read_change(page, form)
        reference, reason = form.text("reference", must=True, most=64), form.text("reason")

        async def work(session: AsyncSession) -> bool:
            tenant = await tenant_numbered(session, tenant_id)
            return await add_quota(
                *(session, page.actor, tenant.name),
                amount_micros=amount_micros,
                reference=reference or "",
                currency=page.office.settings.currency,
                kind=TopupKind(kind or TopupKind.PAID),
                reason=reason,
            )

        if form.is_right and not is_sure(form, amount_micros):
            would_add, status = await rehearse(page, form, work)
            if would_add is None:
                return await _ask(page, tenant_id, "top-up", form, status=status)
            if not would_add:
                return page.go(f"{HERE}/{tenant_id}", said="added-before")
            return await _ask(page, tenant_id, "top-up", form, planned=Planned(amount_micros))
        is_added, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}", said="done" if is_added else "added-before")
        return await _ask(page, tenant_id, "top-up", form, status=status)

    @get("/{tenant_id:int}/adjust", guards=[may("tenant.adjust")])
    async def ask_adjust(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask what a quota is off by, and why."""
        return await _ask(page, tenant_id, "adjust", Form(page.say))

    @post("/{tenant_id:int}/adjust", guards=[may("tenant.adjust")])
    async def adjust(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Correct a quota, up or down."""
        form = await read_form(request, page.say)
        amount_micros = _read_change(page, form)
        reason = form.text("reason", must=True)

        async def work(session: AsyncSession) -> None:
            tenant = await tenant_numbered(session, tenant_id)
            await adjust_quota(
                *(session, page.actor_by(form), tenant.name),
                amount_micros=amount_micros,
                reason=reason or "",
                currency=page.office.settings.currency,
            )

        try:
            if form.is_right and not is_sure(form, amount_micros):
                _, status = await rehearse(page, form, work)
                planned = Planned(amount_micros) if form.is_right else None
                return await _ask(page, tenant_id, "adjust", form, planned=planned, status=status)
            _, status = await attempt(page, form, work)
        except DoneBefore:
            return page.go(f"{HERE}/{tenant_id}", said="done-before")
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}", said="done")
        return await _ask(page, tenant_id, "adjust", form, status=status)

    @get("/{tenant_id:int}/credit", guards=[may("tenant.set_credit")])
    async def ask_credit(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask how much a tenant may owe."""
        return await _ask(page, tenant_id, "credit", Form(page.say))

    @post("/{tenant_id:int}/credit", guards=[may("tenant.set_credit")])
    async def credit(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Say how much an account may owe."""
        form = await read_form(request, page.say)
        credit_micros = form.amount("credit", must=True) or 0
        reason = form.text("reason", must=True)

        async def work(session: AsyncSession) -> bool:
            tenant = await tenant_numbered(session, tenant_id)
            return await set_credit(
                *(session, page.actor, tenant.name),
                credit_micros=credit_micros,
                reason=reason or "",
            )

        if form.is_right and not is_sure(form, credit_micros):
            _, status = await rehearse(page, form, work)
            planned = Planned(credit_micros) if form.is_right else None
            return await _ask(page, tenant_id, "credit", form, planned=planned, status=status)
        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}", said="done")
        return await _ask(page, tenant_id, "credit", form, status=status)


async def _ask(
    page: Page,
    tenant_id: int,
    act: str,
    form: Form,
    *,
    planned: Planned | None = None,
    status: int = OK,
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    shown: Mapping[str, Any] = {"form": form, "act": act, "planned": planned, "kinds": KINDS}
    return await render_of(page, "tenants/money.html", tenant, status=status, **shown)
