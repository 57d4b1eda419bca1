"""What a tenant kept by the month and was charged for it, and giving back of that."""

from datetime import UTC, datetime
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.months import KeptMonth, list_kept_months
from relay.console.access import may
from relay.console.acting import OK, attempt, is_sure, rehearse
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.errors import DoneBefore, NoSuch
from relay.desk.find import tenant_numbered
from relay.desk.money import adjust_quota
from relay.html.form import Form, read_form
from relay.months import Month, month_of, read_month

BACK = 12
"""Months before this one; days are forgotten after a year, unless the relay is set otherwise."""


class TenantKept(Controller):
    path = HERE

    @get("/{tenant_id:int}/kept", guards=[may("asset.read")])
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """List the months of its kept files: how much, at which price, and what was charged."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            months = await _read(session, page, tenant_id)
        return await render_of(page, "tenants/kept.html", tenant, months=months)

    @get("/{tenant_id:int}/kept/{month:str}/give-back", guards=[may("tenant.adjust")])
    async def ask(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], month: FromPath[str]
    ) -> Response[Any]:
        """Ask how much of a month is given back, and why."""
        return await _ask(page, tenant_id, month, Form(page.say))

    @post("/{tenant_id:int}/kept/{month:str}/give-back", guards=[may("tenant.adjust")])
    async def give_back(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        month: FromPath[str],
    ) -> Response[Any]:
        """Give back of what a month was charged, to whoever paid it."""
        form = await read_form(request, page.say)
        amount_micros = form.amount("amount", must=True) or 0
        if amount_micros == 0 and form.is_right:
            form.errors["amount"] = page.sentence("0 changes nothing")
        reason = form.text("reason", must=True)

        async def work(session: AsyncSession) -> None:
            tenant = await tenant_numbered(session, tenant_id)
            await adjust_quota(
                *(session, page.actor_by(form), tenant.name),
                amount_micros=amount_micros,
                reason=reason or "",
                currency=page.office.settings.currency,
                storage=_month(month),
            )

        place = f"{HERE}/{tenant_id}/kept"
        try:
            if form.is_right and not is_sure(form, amount_micros):
                _, status = await rehearse(page, form, work)
                planned = amount_micros if form.is_right else None
                return await _ask(page, tenant_id, month, form, planned=planned, status=status)
            _, status = await attempt(page, form, work)
        except DoneBefore:
            return page.go(place, said="done-before")
        if form.is_right:
            return page.go(place, said="done")
        return await _ask(page, tenant_id, month, form, status=status)


def _month(spelt: str) -> Month:
    try:
        return read_month(spelt)
    except ValueError as error:
        raise NoSuch("month", spelt) from error


async def _read(session: AsyncSession, page: Page, tenant_id: int) -> list[KeptMonth]:
    last = month_of(datetime.now(UTC), page.office.settings.zone)
    first = Month(last.year - BACK // 12, last.number)
    return await list_kept_months(session, first=first, last=last, tenant_id=tenant_id)


async def _ask(
    page: Page,
    tenant_id: int,
    spelt: str,
    form: Form,
    *,
    planned: int | None = None,
    status: int = OK,
) -> Response[Any]:
    """Ask, beside what was charged. `planned`: what is to be given back, in micros.

    Raises:
        NoSuch: nothing was charged for such a month.
    """
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
        month = _month(spelt)
        found = await list_kept_months(session, first=month, last=month, tenant_id=tenant_id)
    if not found or not found[0].charged_micros:
        raise NoSuch("month", spelt)
    values = {"form": form, "month": found[0], "planned": planned}
    return await render_of(page, "tenants/kept_back.html", tenant, status=status, **values)
