"""Prices there as fixed rows of price groups here, and both compared."""

from collections.abc import Iterable, Mapping

from relay.desk.moving.channels import is_upstream
from relay.desk.moving.names import group_named
from relay.desk.moving.plan import Choices, Compared, PriceLine, TenantLine, Verdict
from relay.kling.wanted import Wanted
from relay.new_api.prices import micros_of_units, ratio_of, units_of
from relay.new_api.rows import Channel, Options
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.quote import UnitPrices, quote

ENDPOINTS = ("text2video", "image2video")
"""All that new-api has of Kling's."""
CLIP_S = 5
CLIP_MODE = "std"
"""What is compared; there the price is the same for all lengths and modes."""

Pair = tuple[str, str]
"""The group of a user there, and the one that its keys are served by."""


def price_group_of(options: Options, pair: Pair) -> str:
    """Name the price group here in which a pair's prices are."""
    group, using = pair
    if group == using or ratio_of(options, group, using) == ratio_of(options, using, using):
        return group_named(using)
    return group_named(f"{group} by {using}")


def models_of(channels: Iterable[Channel]) -> dict[str, str]:
    """List the models that are sold there, with what Kling calls each."""
    sold: dict[str, str] = {}
    for channel in channels:
        is_klings = any(not is_upstream(key.text) for key in channel.keys)
        for model in channel.models if is_klings else ():
            sold.setdefault(model, channel.renamed.get(model, model))
    return sold


def klings_names(channels: Iterable[Channel]) -> dict[str, set[str]]:
    """List what Kling calls each model that is sold there: channels may differ in what they say."""
    names: dict[str, set[str]] = {}
    for channel in channels:
        for model in channel.models:
            names.setdefault(model, set()).add(channel.renamed.get(model, model))
    return names


def plan_prices(
    options: Options,
    models: Mapping[str, str],
    pairs: Iterable[Pair],
    prices: Prices,
    choices: Choices,
) -> list[PriceLine]:
    """Plan a row for each price group, model and endpoint that has a price there."""
    lines: dict[tuple[str, str, str], PriceLine] = {}
    for pair in sorted(set(pairs)):
        name = price_group_of(options, pair)
        for model, klings in sorted(models.items()):
            units = units_of(options, model, group=pair[0], using=pair[1])
            if units is None:
                continue
            for endpoint in ENDPOINTS:
                row = PriceRow(
                    endpoint=endpoint,
                    kind=PriceKind.FIXED,
                    per=Per.TASK,
                    amount_micros=micros_of_units(options, units, rate=choices.rate),
                    model=klings,
                    price_group=name,
                )
                lines.setdefault((name, klings, endpoint), _line(row, prices))
    return list(lines.values())


def with_planned(
    prices: Prices, lines: Iterable[PriceLine], official: Iterable[PriceRow]
) -> Prices:
    """Say what would be in force with what is planned."""
    planned = [line.row for line in lines if line.verdict is Verdict.NEW]
    dated = prices.dated
    return Prices(
        [*(one for one in dated if isinstance(one, PriceRow)), *planned],
        [one for one in dated if not isinstance(one, PriceRow)],
        official,
        at=prices.at,
        zone=prices.zone,
        multiplies_amounts=prices.multiplies_amounts,
    )


def compare(
    options: Options,
    models: Mapping[str, str],
    tenants: Iterable[tuple[TenantLine, int | None, str | None, set[Pair]]],
    *,
    prices: Prices,
    units: UnitPrices,
    choices: Choices,
) -> list[Compared]:
    """Hold a clip's price there against that here, for each tenant, group of its keys and model.

    `tenants`: with our id of one that is here already, its price group, and its pairs there.
    """
    found: dict[tuple[object, ...], int | None] = {}

    def here(tenant_id: int | None, group: str | None, model: str) -> int | None:
        key = (tenant_id, group, model)
        if key not in found:
            found[key] = _clip_micros(prices, tenant_id, group, model, units)
        return found[key]

    compared = []
    for line, tenant_id, price_group, pairs in tenants:
        for group, using in sorted(pairs):
            for model, klings in sorted(models.items()):
                there = units_of(options, model, group=group, using=using)
                compared.append(
                    Compared(
                        line.name,
                        using,
                        model,
                        None
                        if there is None
                        else micros_of_units(options, there, rate=choices.rate),
                        here(tenant_id, price_group, klings),
                    )
                )
    return compared


def _line(row: PriceRow, prices: Prices) -> PriceLine:
    same = [one for one in prices.rows if _slot(one) == _slot(row)]
    if not same:
        return PriceLine(Verdict.NEW, row)
    is_same = all((one.per, one.amount_micros) == (row.per, row.amount_micros) for one in same)
    verdict = Verdict.SAME if is_same else Verdict.DIFFERS
    return PriceLine(verdict, row, here_micros=same[-1].amount_micros)


def _slot(row: PriceRow) -> tuple[object, ...]:
    named = (row.mode, row.sound, row.voice, row.video_input, row.duration_s, row.hours)
    return (row.endpoint, row.model, row.price_group, row.tenant_id, *named)


def _clip_micros(
    prices: Prices, tenant_id: int | None, group: str | None, model: str, units: UnitPrices
) -> int | None:
    wanted = Wanted(
        endpoint=ENDPOINTS[0],
        model=model,
        mode=CLIP_MODE,
        sound=False,
        seconds=CLIP_S,
    )
    book = prices.book(tenant_id, group)
    row = book.find(wanted)
    if row is None:
        return None
    return quote(
        row,
        wanted,
        prices=units,
        tenant_multiplier=book.multiplier,
        multiplies_amounts=book.multiplies_amounts,
    ).price_micros
