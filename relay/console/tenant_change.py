"""What a tenant is set to: changed field by field, and the tenant removed."""

from decimal import Decimal
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.overtaken import told_overtaken
from relay.console.page import Asked, Page
from relay.console.problems import status_of
from relay.console.tenant import HERE, read_head, render_of
from relay.desk.errors import Stale
from relay.desk.find import tenant_numbered, tenant_to_act_on
from relay.desk.names import NOTES_CHARS_MAX
from relay.desk.shown import ShownTenant
from relay.desk.tenants import TenantChanges, change_tenant, remove_tenant
from relay.desk.versions import look_before
from relay.html.form import Form, read_form
from relay.money import decimal_of, plain

WAS = "was."
"""Before a field's name: as the page showed it, so that only what a visitor changes is changed."""
CHECKS = ("enabled", "shows_quote", "joins_retries", "lints_creates")
GB = 10**9
NOTED_AS = {"asset_gb_max": "asset_bytes_max", "asset_gb_month": "asset_gb_month_micros"}
"""What changes call a field that the page spells in another unit."""
PRICING = ("multiplier", "price_group", "factor")
"""What needs the role for prices."""


class TenantChange(Controller):
    path = HERE

    @get("/{tenant_id:int}/change", guards=[may("tenant.change")])
    async def ask(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """Show what may be changed."""
        return await _ask(page, tenant_id, "tenants/change.html", Form(page.say))

    @post("/{tenant_id:int}/change", guards=[may("tenant.change")])
    async def change(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Change what the visitor changed on the page, and nothing else."""
        form = await read_form(request, page.say)
        changes = TenantChanges(**_read_changes(form))

        async def work(session: AsyncSession) -> None:
            tenant = await tenant_numbered(session, tenant_id)
            is_renamed = changes.name is not UNSET

            async def locked(session: AsyncSession) -> ShownTenant:
                await tenant_to_act_on(session, tenant.name, is_locked=True, is_renamed=is_renamed)
                return await read_head(session, page, tenant_id)

            now = await look_before(session, page.actor, "tenant.change", locked)
            if _overtaken(form, _was(now)):
                raise Stale
            await change_tenant(session, page.actor, tenant.name, changes)

        try:
            _, status = await attempt(page, form, work)
        except Stale as error:
            return await _ask_stale(page, tenant_id, form, status=status_of(error))
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}", said="saved")
        return await _ask(page, tenant_id, "tenants/change.html", form, status=status)

    @get("/{tenant_id:int}/remove", guards=[may("tenant.remove")])
    async def ask_remove(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Say what a removal is, before it."""
        return await _ask(page, tenant_id, "tenants/remove.html", Form(page.say))

    @post("/{tenant_id:int}/remove", guards=[may("tenant.remove")])
    async def remove(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Shut a tenant out for good."""
        form = await read_form(request, page.say)

        async def work(session: AsyncSession) -> None:
            tenant = await tenant_numbered(session, tenant_id)
            await remove_tenant(session, page.actor, tenant.name)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(HERE, said="removed")
        return await _ask(page, tenant_id, "tenants/remove.html", form, status=status)


async def _ask(
    page: Page, tenant_id: int, template: str, form: Form, *, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    return await render_of(
        *(page, template, tenant), status=status, form=form, was=_was(tenant), prefix=WAS
    )


def _was(tenant: ShownTenant) -> dict[str, str]:
    """Spell what stands in the fields of the form."""
    numbers = ("queue_s", "queue_weight", "room_min", "tasks_max", "keep_results_days")
    return (
        {name: "on" if getattr(tenant, name) else "" for name in CHECKS}
        | {name: _spelt(getattr(tenant, name)) for name in numbers}
        | {
            "name": tenant.name,
            "contact": tenant.contact or "",
            "notes": tenant.notes or "",
            "groups": ", ".join(tenant.groups or ()),
            "multiplier": tenant.own_multiplier or "",
            "price_group": tenant.price_group or "",
            "factor": tenant.factor or "",
            "asset_gb_max": _spelt_gb(tenant.asset_bytes_max),
            "asset_gb_month": _spelt_amount(tenant.asset_gb_month_micros),
            "result_urls": tenant.result_urls,
        }
    )


def _spelt_gb(value: int | None) -> str:
    return "" if value is None else plain(Decimal(value) / GB)


def _spelt_amount(micros: int | None) -> str:
    return "" if micros is None else str(decimal_of(micros))


def _spelt(value: int | None) -> str:
    return "" if value is None else str(value)


def _changed(form: Form) -> set[str]:
    """Name the fields in which something else was typed than was shown."""
    return {
        name.removeprefix(WAS)
        for name, shown in form.values.items()
        if name.startswith(WAS) and _typed(form, name.removeprefix(WAS)) != shown.strip()
    }


def _typed(form: Form, name: str) -> str:
    return form.values.get(name, "").strip()


def _overtaken(form: Form, now: dict[str, str]) -> bool:
    """Tell whether somebody changed the same field meanwhile, and to something else.

    Other fields may differ: what a visitor leaves alone is left alone. A form that is sent twice
    finds its own words.
    """
    return any(
        now.get(name, "").strip() not in (form.values[f"{WAS}{name}"].strip(), _typed(form, name))
        for name in _changed(form)
    )


async def _ask_stale(page: Page, tenant_id: int, form: Form, *, status: int) -> Response[Any]:
    """Say who changed what; what was typed stays, and all else is as it is now."""
    typed = _changed(form)
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    for name, value in _was(tenant).items():
        form.values.pop(f"{WAS}{name}", None)
        if name not in typed:
            form.values[name] = value
    form.errors[""] = await told_overtaken(
        page, tenant.name, "tenant", of={NOTED_AS.get(name, name) for name in typed}
    )
    return await _ask(page, tenant_id, "tenants/change.html", form, status=status)


def _read_changes(form: Form) -> dict[str, Any]:
    """Read what differs from what was shown; an empty field is none."""
    changed = _changed(form)
    given: dict[str, Any] = {name: form.is_checked(name) for name in CHECKS}
    given |= {name: form.text(name) for name in ("contact", "price_group")}
    notes = form.text("notes", most=NOTES_CHARS_MAX)
    given["notes"] = notes and notes.replace("\r\n", "\n")
    given |= {name: form.whole(name) for name in ("queue_s", "tasks_max", "keep_results_days")}
    if "name" in changed:
        given["name"] = form.text("name", must=True)
    for name in ("queue_weight", "room_min"):
        given[name] = form.whole(name, must=name in changed)
    given["result_urls"] = form.choice("result_urls", ("kling", "ours"))
    if "asset_gb_max" in changed:
        changed = changed - {"asset_gb_max"} | {"asset_bytes_max"}
        most = form.decimal("asset_gb_max")
        given["asset_bytes_max"] = None if most is None else int(most * GB)
    if "asset_gb_month" in changed:
        changed = changed - {"asset_gb_month"} | {"asset_gb_month_micros"}
        given["asset_gb_month_micros"] = form.amount("asset_gb_month")
    given["multiplier"] = form.decimal("multiplier")
    given["groups"] = read_names(form, "groups")
    if "factor" in changed:
        changed = changed - {"factor"} | {"resale"}
        given["resale"] = form.decimal("factor", must=True) or Decimal(1)
    return {name: value for name, value in given.items() if name in changed}


def read_names(form: Form, name: str) -> list[str] | None:
    """Read names with commas between them; None where there is none."""
    given = [one.strip() for one in (form.text(name) or "").split(",")]
    return [one for one in given if one] or None
