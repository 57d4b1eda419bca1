"""`relay margin`: what is left of charges when Kling's deductions are paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.file_out import put_json, put_sheet
from relay.cli.margin_losses import tell_losses
from relay.cli.window import LocalSpan, OneMonth
from relay.months import Window, month_of

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.window import Span
    from relay.months import Month
    from relay.usage.losses import Loss
    from relay.usage.margin import Margin
    from relay.usage.sums import Usage

KEYS = ["task", "tenant", "account", "token", "model", "endpoint", "channel", "day", "month"]


@click.command()
@click.option("--by", "keys", type=click.Choice(KEYS), multiple=True, help="Again for more keys.")
@click.option("--month", type=OneMonth(), help="Such as 2026-11; without any, this month so far.")
@click.option("--since", type=LocalSpan(), help="In place of a month: 2026-11-26, or 3h, 2d (ago).")
@click.option("--until", type=LocalSpan(), help="Up to then, that day or minute too; else now.")
@click.option("--tenant", help="Only of this tenant.")
@click.option("--channel", help="Only of this channel.")
@click.option("--model", help="Only of this model, as tenants spell it.")
@click.option(
    "--losses", "is_about_losses", is_flag=True, help="What was sold below cost, and why."
)
@click.option(
    "--as-of", type=LocalSpan(), help="By the purchase prices that had been entered by then."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Most rows --by task: those of the least margin.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "xlsx", "html"]),
    default="table",
    show_default=True,
    help="HTML prints on A4.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="A file, in place of stdout.")
@click.option("--json", "is_json", is_flag=True, help="The same as --format json.")
@examples(
    "relay margin --by tenant                              # this month",
    "relay margin --losses --month 2026-11",
    "relay margin --by day --by channel --since 2026-11-01 --until 2026-11-07",
)
def margin(
    keys: tuple[str, ...],
    month: Month | None,
    since: Span | None,
    until: Span | None,
    tenant: str | None,
    channel: str | None,
    model: str | None,
    as_of: Span | None,
    limit: int,
    form: str,
    out: str | None,
    *,
    is_about_losses: bool,
    is_json: bool,
) -> None:
    """Hold charges against what Kling took, at what its units were bought for.

    Purchase prices are rows with dates (`relay channel cost`); units without one cost what Kling's
    list said. A charge, and its cost, is of the moment it was entered; a refund lowers the margin
    of its own. Of what Kling did not tell, neither cost nor charge counts: it stands `apart`.
    """
    form = "json" if is_json else form
    _refuse_odd(keys, month, since, until, form, out, is_about_losses=is_about_losses)
    asked = list(dict.fromkeys(keys))
    at = as_of.start if as_of else None

    async def filters(session: AsyncSession) -> dict[str, Any]:
        from relay.desk.find import channel_named, tenant_named

        return {
            "tenant_id": (await tenant_named(session, tenant)).id if tenant else None,
            "channel_id": (await channel_named(session, channel)).id if channel else None,
            "model": model,
        }

    async def losses(session: AsyncSession) -> list[Loss]:
        from relay.usage.losses import read_losses

        only = await filters(session)
        return await read_losses(session, window, currency=currency, as_of=at, **only)

    async def sums(session: AsyncSession) -> Margin:
        from relay.usage.margin import read_margin
        from relay.usage.statement import begin_snapshot
        from relay.usage.sums import UsageKey

        await begin_snapshot(session)
        return await read_margin(
            *(session, [UsageKey(key) for key in asked], window),
            now=now,
            zone=zone,
            currency=currency,
            limit=limit,
            as_of=at,
            **await filters(session),
        )

    with open_database() as database:
        from datetime import UTC, datetime

        zone, currency = database.settings.zone, database.settings.currency
        now = datetime.now(UTC)
        window = _window(month, since, until, zone, now)
        if is_about_losses:
            tell_losses(database.read(losses), window, zone, currency, form=form, out=out)
        else:
            _tell(database.read(sums), asked, window, zone, currency, form=form, out=out)


def _refuse_odd(
    keys: tuple[str, ...],
    month: Month | None,
    since: Span | None,
    until: Span | None,
    form: str,
    out: str | None,
    *,
    is_about_losses: bool,
) -> None:
    if month is not None and (since is not None or until is not None):
        raise click.UsageError("Say a --month, or --since and --until.")
    if until is not None and since is None:
        raise click.UsageError("Say --since when.")
    if since is not None and until is not None and until.until <= since.start:
        raise click.UsageError("--until is before --since.")
    if is_about_losses and keys:
        raise click.UsageError("--losses are by price row: leave out --by.")
    if form == "xlsx" and out is None:
        raise click.UsageError("An Excel file is no text: say --out FILE.")
    if form == "table" and out is not None:
        raise click.UsageError("Say which --format the file is to have.")


def _window(
    month: Month | None, since: Span | None, until: Span | None, zone: tzinfo, now: datetime
) -> Window:
    if since is None:
        return (month or month_of(now, zone)).window(zone)
    return Window(since.start, max(until.until if until else now, since.start))


def _tell(
    found: Margin,
    keys: list[str],
    window: Window,
    zone: tzinfo,
    currency: str,
    *,
    form: str,
    out: str | None,
) -> None:
    if form == "json":
        described = {
            "since": window.start,
            "until": window.until,
            "currency": currency,
            "margin": [_described(one) for one in found.lines],
            "whole": None if found.whole is None else _described(found.whole),
            "as_known_at_its_end": found.as_known_then and _described(found.as_known_then),
        }
        put_json(described, out)
        return
    from relay.usage.margin_sheet import margin_sheet

    put_sheet(
        margin_sheet(found, keys, window, zone, currency),
        form,
        out,
        empty="Nothing was charged then.",
    )


def _described(one: Usage) -> dict[str, Any]:
    import msgspec

    figures: dict[str, Any] = msgspec.structs.asdict(one)
    keys: dict[str, Any] = figures.pop("keys")
    return keys | figures | {"margin_micros": one.margin_micros}
