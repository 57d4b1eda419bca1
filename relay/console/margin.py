"""Margin: what is left of charges when Kling is paid; and what was sold below cost, and why."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.read import read_rows
from relay.console.access import may
from relay.console.files import FILES, LISTS, sheet_file
from relay.console.money import HERE as MONEY
from relay.console.money import check_is_too_long, render_of
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.desk.errors import NoSuch
from relay.desk.find import channel_named, tenant_named
from relay.desk.shown_prices import ShownLoss, shown_loss
from relay.html.days import read_day, read_month_of
from relay.html.form import Form
from relay.months import Window, month_of
from relay.usage.columns import sheet_of
from relay.usage.losses import Loss, read_losses
from relay.usage.margin import Margin, read_margin
from relay.usage.margin_sheet import margin_sheet
from relay.usage.statement import begin_snapshot
from relay.usage.sums import UsageKey

ROWS_MAX = 200
"""By task: those of the least margin."""
KEYS = [key.value for key in UsageKey]


class Wanted(msgspec.Struct, frozen=True):
    """What is summed up."""

    window: Window
    keys: list[UsageKey]
    only: dict[str, Any]
    """The tenant, channel and model, as the reads have them."""


class MarginPages(Controller):
    path = MONEY
    guards = (may("usage.read"),)

    @get("/margin")
    async def show_margin(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Hold charges against what Kling took, by what is asked for; of tenants by default."""
        form = Form(page.say, values=dict(request.query_params.items()))
        found: Margin | None = None
        is_long = False
        async with page.reading() as session:
            wanted, shown = await _read_filter(session, page, form)
        if wanted is not None:
            try:
                async with page.reading() as session:
                    await begin_snapshot(session)
                    found = await _margin(session, page, wanted)
            except DBAPIError as error:
                is_long = check_is_too_long(error)
        return await render_of(
            *(page, "money/margin.html"),
            form=form,
            wanted=wanted,
            found=found,
            is_long=is_long,
            keys=KEYS,
            **shown,
        )

    @get("/margin/{file_form:str}")
    async def margin_as_file(
        self, page: NamedDependency[Page], request: Asked, file_form: FromPath[str]
    ) -> Response[Any]:
        """Give what `relay margin` writes; what is too long for a page has its time here."""
        if file_form not in FILES:
            raise NoSuch("page", file_form)
        form = Form(page.say, values=dict(request.query_params.items()))
        async with page.reading() as session:
            wanted, _ = await _read_filter(session, page, form)
        if wanted is None:
            return page.go(page.address().replace(f"/margin/{file_form}", "/margin", 1))
        async with page.office.long() as session:
            found = await _margin(session, page, wanted)
        settings, keys = page.office.settings, [key.value for key in wanted.keys]
        sheet = margin_sheet(found, keys, wanted.window, settings.zone, settings.currency)
        return await sheet_file(sheet, file_form, name="margin")

    @get("/losses")
    async def show_losses(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """List what was sold below cost, the greatest loss first, and which price row did it."""
        form = Form(page.say, values=dict(request.query_params.items()))
        losses: list[ShownLoss] | None = None
        is_long = False
        async with page.reading() as session:
            wanted, shown = await _read_filter(session, page, form)
        if wanted is not None:
            try:
                async with page.reading() as session:
                    await begin_snapshot(session)
                    losses = [shown_loss(one) for one in await _losses(session, page, wanted)]
            except DBAPIError as error:
                is_long = check_is_too_long(error)
        return await render_of(
            *(page, "money/losses.html"),
            form=form,
            wanted=wanted,
            losses=losses,
            lost_micros=sum(one.lost_micros for one in losses or ()),
            is_long=is_long,
            **shown,
        )

    @get("/losses/{file_form:str}")
    async def losses_as_file(
        self, page: NamedDependency[Page], request: Asked, file_form: FromPath[str]
    ) -> Response[Any]:
        """Give them as a file; what is too long for a page has its time here."""
        if file_form not in LISTS:
            raise NoSuch("page", file_form)
        form = Form(page.say, values=dict(request.query_params.items()))
        async with page.reading() as session:
            wanted, _ = await _read_filter(session, page, form)
        if wanted is None:
            return page.go(page.address().replace(f"/losses/{file_form}", "/losses", 1))
        async with page.office.long() as session:
            losses = [shown_loss(one) for one in await _losses(session, page, wanted)]
        return await sheet_file(
            sheet_of("Sold below cost", ShownLoss, losses), file_form, name="losses"
        )


async def _margin(session: AsyncSession, page: Page, wanted: Wanted) -> Margin:
    settings = page.office.settings
    return await read_margin(
        *(session, wanted.keys, wanted.window),
        now=datetime.now(UTC),
        zone=settings.zone,
        currency=settings.currency,
        limit=ROWS_MAX,
        **wanted.only,
    )


async def _losses(session: AsyncSession, page: Page, wanted: Wanted) -> list[Loss]:
    currency = page.office.settings.currency
    return await read_losses(session, wanted.window, currency=currency, **wanted.only)


async def _read_filter(
    session: AsyncSession, page: Page, form: Form
) -> tuple[Wanted | None, dict[str, Any]]:
    """Read what is asked for, and what else its page shows; None where a field cannot be."""
    zone = page.office.settings.zone
    now = datetime.now(UTC)
    channels = await read_rows(session, with_removed=True)
    keys = [form.choice(name, KEYS) for name in ("by", "and")]
    if keys[0] is None and "by" not in form.values:
        keys[0] = UsageKey.TENANT.value
    month = read_month_of(form, "month")
    since, until = read_day(form, "since", zone), read_day(form, "until", zone, is_end=True)
    if since is None and until is not None and form.is_right:
        form.errors["since"] = page.say("Say from which day on.")
    if since is not None and until is not None and until <= since:
        form.errors["until"] = page.say("This day is before the first one.")
    only: dict[str, Any] = {"tenant_id": None, "channel_id": None, "model": form.text("model")}
    for name, find in (("tenant", tenant_named), ("channel", channel_named)):
        given = form.text(name)
        if given is not None:
            try:
                only[f"{name}_id"] = (await find(session, given)).id
            except NoSuch as error:
                form.errors[name] = sentence_of(error, page)
    window = (month or month_of(now, zone)).window(zone)
    if since is not None:
        window = Window(since, max(now, since) if until is None else until)
    shown = {
        "month": None if since is not None else month or month_of(now, zone),
        "channels": {row.name: row.id for row in channels},
    }
    if not form.is_right:
        return None, shown
    told = [UsageKey(key) for key in dict.fromkeys(keys) if key]
    return Wanted(window, told, only), shown
