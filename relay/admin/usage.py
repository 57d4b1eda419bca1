"""Sums over tasks and entries: usage, margin, and what was sold below cost."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.bodies import read_window, refuse_naive
from relay.admin.lists import Listing, answer_whole
from relay.admin.problems import WrongField
from relay.admin.routes import reads
from relay.desk.find import channel_named, tenant_named
from relay.desk.office import Office
from relay.desk.shown_prices import ShownLoss, shown_loss
from relay.months import Window
from relay.usage.losses import read_losses
from relay.usage.margin import read_margin
from relay.usage.sums import ROWS_MAX, Usage, UsageKey, read_usage

Rows = Annotated[
    int,
    QueryParameter(ge=1, le=ROWS_MAX, description="Most rows by task: those of the least margin."),
]


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """What has the same keys."""

    keys: dict[str, str | int | None]
    tasks: int
    succeeded: int
    failed: int
    refused: int
    charges: int
    """Successes that were charged."""
    seconds: int
    images: int
    charged_micros: int
    resold_micros: int
    """What that is to whose tasks they are: of sub-tenants, at their own prices."""
    cost_micros: int
    margin_micros: int
    """What is left of charges whose cost is known."""
    at_list: int
    """Tasks whose units have no purchase price."""
    uncharged: int
    """Tasks that Kling took for, and that were never charged."""
    without_cost: int
    without_cost_micros: int
    """Charged for those whose cost is not known."""


class UsageSums(msgspec.Struct, frozen=True):
    """Sums of a window."""

    since: datetime
    until: datetime
    """The first moment behind it."""
    usage: list[UsageLine]


class MarginSums(msgspec.Struct, frozen=True):
    """What is left of a window's charges when Kling is paid."""

    since: datetime
    until: datetime
    """The first moment behind it."""
    currency: str
    margin: list[UsageLine]
    whole: UsageLine | None
    as_known_at_its_end: UsageLine | None
    """By the purchase prices that were entered before its end; null of one that is not over."""


class Losses(msgspec.Struct, frozen=True):
    """What was sold below cost, the greatest loss first."""

    since: datetime
    until: datetime
    currency: str
    lost_micros: int
    losses: list[ShownLoss]


class Sums(Controller):
    path = "/admin/v1"
    tags = ("Usage",)

    @get("/usage", **reads("usage.read", 404, streams=True))
    async def usage(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        by: FromQuery[list[UsageKey] | None] = None,
        month: FromQuery[str | None] = None,
        first: Annotated[date | None, QueryParameter(name="from")] = None,
        last: Annotated[date | None, QueryParameter(name="to")] = None,
        tenant: FromQuery[str | None] = None,
        channel: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
    ) -> Response[UsageSums]:
        """Sum up days of RELAY_TIMEZONE, from tasks and entries as they are now.

        `by`: again for more keys. A month, or `from` a day `to` another one; else this month.
        """
        settings = office.settings
        zone = settings.zone
        window, keys = read_window(month, first, last, zone), list(dict.fromkeys(by or []))
        async with office.reading() as session:
            found = await read_usage(
                *(session, keys, window),
                zone=zone,
                currency=settings.currency,
                **await _only(session, tenant, channel, model),
            )
        lines = [_line(one) for one in found]
        sums = UsageSums(window.start, window.until, lines)
        return answer_whole(listing, sums, lines, UsageLine, spread={"keys": keys})

    @get("/margin", **reads("usage.read", 404, 409, streams=True))
    async def margin(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        by: FromQuery[list[UsageKey] | None] = None,
        month: FromQuery[str | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        tenant: FromQuery[str | None] = None,
        channel: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        as_of: FromQuery[datetime | None] = None,
        limit: Rows = 50,
    ) -> Response[MarginSums]:
        """Hold charges against what Kling took, at what its units were bought for.

        A month, or from `since` until before `until`; else this month. `as_of`: by the purchase
        prices that had been entered by then.
        """
        settings, now = office.settings, datetime.now(UTC)
        keys = list(dict.fromkeys(by or []))
        window = _window(office, month, since, until, now)
        refuse_naive(as_of=as_of)
        async with office.long() as session:
            found = await read_margin(
                *(session, keys, window),
                now=now,
                zone=settings.zone,
                currency=settings.currency,
                limit=limit,
                as_of=as_of,
                **await _only(session, tenant, channel, model),
            )
        lines = [_line(one) for one in found.lines]
        sums = MarginSums(
            *(window.start, window.until, settings.currency, lines),
            *(None if one is None else _line(one) for one in (found.whole, found.as_known_then)),
        )
        return answer_whole(listing, sums, lines, UsageLine, spread={"keys": keys})

    @get("/margin/losses", **reads("usage.read", 404, 409, streams=True))
    async def losses(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        month: FromQuery[str | None] = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        tenant: FromQuery[str | None] = None,
        channel: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        as_of: FromQuery[datetime | None] = None,
    ) -> Response[Losses]:
        """List what was sold below cost, and by which price row; a window as of `margin`."""
        settings = office.settings
        window = _window(office, month, since, until, datetime.now(UTC))
        refuse_naive(as_of=as_of)
        async with office.long() as session:
            found = await read_losses(
                *(session, window),
                currency=settings.currency,
                as_of=as_of,
                **await _only(session, tenant, channel, model),
            )
        lines = [shown_loss(one) for one in found]
        lost = sum(one.lost_micros for one in found)
        losses = Losses(*(window.start, window.until, settings.currency, lost, lines))
        return answer_whole(listing, losses, lines, ShownLoss)


def _line(one: Usage) -> UsageLine:
    return UsageLine(**msgspec.structs.asdict(one), margin_micros=one.margin_micros)


async def _only(
    session: AsyncSession, tenant: str | None, channel: str | None, model: str | None
) -> dict[str, Any]:
    return {
        "tenant_id": None if tenant is None else (await tenant_named(session, tenant)).id,
        "channel_id": None if channel is None else (await channel_named(session, channel)).id,
        "model": model,
    }


def _window(
    office: Office,
    month: str | None,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
) -> Window:
    refuse_naive(since=since, until=until)
    if since is None:
        if until is not None:
            raise WrongField("since", "since is required beside until")
        return read_window(month, None, None, office.settings.zone)
    if month is not None:
        raise WrongField("month", "month excludes since and until")
    until = max(now, since) if until is None else until
    if until < since:
        raise WrongField("until", "until is before since")
    return Window(since, until)
