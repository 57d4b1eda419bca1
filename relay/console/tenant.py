"""One tenant as its pages tell it: what it has, what it used of late, and which pages there are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.gate import ROOT
from relay.console.page import Page
from relay.desk.find import tenant_numbered
from relay.desk.shown import ShownTenant, read_shown_tenant
from relay.desk.shown_limits import ShownLimit, read_shown_limits
from relay.html.problems import took_too_long
from relay.months import Window, first_moment, month_of
from relay.usage.sums import Usage, UsageKey, read_usage

HERE = f"{ROOT}/tenants"
DAYS = 30
"""Of the chart, today among them."""
NEAR = 0.8
"""So much of a limit taken, and it stands on the overview."""

TABS = (
    ("", "tenant.read"),
    ("/entries", "entry.read"),
    ("/statement", "statement.read"),
    ("/tokens", "token.read"),
    ("/limits", "tenant.read"),
    ("/prices", "price.read"),
    ("/callbacks", "delivery.read"),
    ("/notices", "notice.read"),
    ("/below", "tenant.read"),
)
"""Pages of one tenant, and what a role needs for each; `tenants/head.html` words them."""

NOTHING = Usage(keys={}, **{name: 0 for name in Usage.__struct_fields__ if name != "keys"})


class Day(msgspec.Struct, frozen=True):
    """What one day came to."""

    at: datetime
    """Its first moment."""
    usage: Usage


class Used(msgspec.Struct, frozen=True):
    """What a tenant used of late."""

    days: list[Day]
    """The newest first; those without anything too."""
    charged_micros: int
    """This month."""
    tasks: int
    succeeded: int
    failed: int

    @property
    def success(self) -> float | None:
        """Say which share of what ended succeeded."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


async def read_head(session: AsyncSession, page: Page, tenant_id: int) -> ShownTenant:
    """Read a tenant by its number, a removed one too.

    Raises:
        NoSuch
    """
    row, settings = await tenant_numbered(session, tenant_id), page.office.settings
    return await read_shown_tenant(
        session, row.name, zone=settings.zone, currency=settings.currency
    )


async def read_near(session: AsyncSession, tenant: ShownTenant) -> list[ShownLimit]:
    """Read those of its limits, and of its tokens', that are nearly or wholly taken."""
    found = await read_shown_limits(session, tenant.name)
    return [one for one in found if is_near(one)]


def is_near(limit: ShownLimit) -> bool:
    """Tell whether most of a limit is taken."""
    allowed = allowed_of(limit)
    return limit.taken is not None and limit.taken >= NEAR * allowed


def allowed_of(limit: ShownLimit) -> int:
    """Say what is allowed now: while it is raised, the greater of both."""
    return limit.allowed if limit.raised is None else max(limit.allowed, limit.raised)


async def read_used(page: Page, tenant_id: int) -> Used | None:
    """Sum up the last days and this month, with its sub-tenants'; None where that takes too long.

    In a transaction of its own, so that a page without it is still a page.
    """
    settings = page.office.settings
    zone, now = settings.zone, datetime.now(UTC)
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=ago) for ago in range(DAYS)]
    month = month_of(now, zone).first
    window = Window(
        first_moment(min(days[-1], month), zone), first_moment(today + timedelta(days=1), zone)
    )
    try:
        async with page.reading() as session:
            found = await read_usage(
                *(session, [UsageKey.DAY], window),
                zone=zone,
                currency=settings.currency,
                tenant_id=tenant_id,
            )
    except DBAPIError as error:
        if took_too_long(error):
            return None
        raise
    by_day: dict[str, Usage] = {one.keys[UsageKey.DAY]: one for one in found}
    of_month = [one for day, one in by_day.items() if day >= str(month)]
    return Used(
        days=[Day(first_moment(day, zone), by_day.get(str(day), NOTHING)) for day in days],
        charged_micros=sum(one.charged_micros for one in of_month),
        tasks=sum(one.tasks for one in of_month),
        succeeded=sum(one.succeeded for one in of_month),
        failed=sum(one.failed for one in of_month),
    )


async def render_of(
    page: Page, template: str, tenant: ShownTenant, *, status: int = 200, **values: Any
) -> Response[Any]:
    """Answer with a page of one tenant, under the links to its others."""
    tabs = [place for place, act in TABS if page.may(act)]
    return await page.render(template, status=status, tenant=tenant, tabs=tabs, **values)
