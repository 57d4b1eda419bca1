"""What other prices come to, and for whom."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from relay.kling.endpoints import ENDPOINTS
from relay.kling.wanted import Wanted
from relay.pricing.book import Multiplier, Per, PriceKind, PriceRow
from relay.pricing.effects import WHOM_MAX, EffectOn, Payer, effects, times_effects, weigh_sold
from relay.pricing.in_force import Prices
from relay.pricing.margins import Both, Sold
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import UnitPrices

NOW = datetime(2026, 11, 27, tzinfo=UTC)
UNIT = UnitPrices(140_000, 3_500)
ACME, BOB, VIP = Payer(1, "acme", None), Payer(2, "bob", None), Payer(3, "vip", "vips")
CLIPS = PriceRow("text2video", model="kling-v3", mode="std", sound=False, units=Decimal("0.6"))


def prices(*rows: PriceRow, times: tuple[Multiplier, ...] = ()) -> Prices:
    return Prices(rows, times, OFFICIAL, at=NOW)


def told(row: PriceRow, before: Prices, after: Prices) -> list[EffectOn]:
    found = effects(
        *([row], [ACME, BOB, VIP]),
        before=before,
        after=after,
        endpoints=ENDPOINTS,
        unit_prices=UNIT,
    )
    assert found.unseen == 0
    return found.on


def figures(on: EffectOn) -> list[tuple[int | None, int | None]]:
    both = ((shift.before, shift.after) for shift in on.shifts)
    return [tuple(one and one.price_micros for one in pair) for pair in both]  # type: ignore[misc]


def test_those_for_whom_all_is_alike_stand_together() -> None:
    """Who has a row before it notices nothing; who has another multiplier stands alone."""
    row = msgspec.structs.replace(CLIPS, units=Decimal("0.3"))
    own = msgspec.structs.replace(CLIPS, units=Decimal(1), tenant_id=BOB.id)
    times = (Multiplier(Decimal(2), price_group="vips"),)

    found = told(row, prices(own, times=times), prices(own, row, times=times))

    # Ten seconds, as the list has no other length: 0.6 units and then 0.3, at 0.14.
    assert [(one.names, one.is_for_others, figures(one)) for one in found] == [
        (["acme"], True, [(840_000, 420_000)]),
        (["vip"], False, [(1_680_000, 840_000)]),
    ]
    assert [one.groups for one in found] == [[], ["vips"]], "all tenants of that group"


def test_a_vague_row_is_told_by_each_row_that_it_takes_tasks_from() -> None:
    """One line for a row of the list; what had none is no more refused, and nothing else is."""
    row = PriceRow(
        *("text2video", PriceKind.FIXED, Per.TASK),
        model="kling-v2-5-turbo",
        amount_micros=1_000_000,
        tenant_id=ACME.id,
    )

    (found,) = told(row, prices(), prices(row))

    assert found.names == ["acme"]
    assert set(figures(found)) == {(420_000, 1_000_000), (700_000, 1_000_000), (None, 1_000_000)}
    (gone,) = told(row, prices(row), prices())
    assert set(figures(gone)) == {(after, before) for before, after in figures(found)}


def test_nothing_that_is_alike_is_told() -> None:
    """The same price of one's own, and a catch-all where all is priced."""
    assert told(CLIPS, prices(), prices(CLIPS)) == []
    catch_all = PriceRow("*", per=Per.TASK, units=Decimal(50))
    (found,) = told(catch_all, prices(), prices(catch_all))
    assert {before for before, _ in figures(found)} == {None}, "only what was refused is concerned"


def test_so_many_with_rows_of_their_own_are_looked_at_and_no_more() -> None:
    """Those with others' rows are one; the rest is counted, so that nobody takes it for nothing."""
    payers = [Payer(number, f"t{number}", None) for number in range(1, WHOM_MAX + 3)]
    rows = [
        msgspec.structs.replace(CLIPS, mode="pro", units=Decimal(2), tenant_id=payer.id)
        for payer in payers
    ]
    cheap = msgspec.structs.replace(CLIPS, units=Decimal("0.3"))

    found = effects(
        *([cheap], payers),
        before=prices(*rows),
        after=prices(*rows, cheap),
        endpoints=ENDPOINTS,
        unit_prices=UNIT,
    )

    assert (len(found.on), found.unseen) == (1, 3), "the first stands for those without any"
    assert len(found.on[0].names) == WHOM_MAX - 1


def test_another_multiplier_counts_for_whom_has_none_before_it() -> None:
    """A tenant's own and its group's go before that for all."""
    own = Multiplier(Decimal("1.5"), tenant_id=BOB.id)
    group = Multiplier(Decimal("1.1"), price_group="vips")
    before, after = prices(times=(own, group)), prices(times=(own, group, Multiplier(Decimal(2))))

    found = times_effects([ACME, BOB, VIP], before=before, after=after)

    assert [(one.before, one.after, one.names, one.is_for_others) for one in found] == [
        (Decimal(1), Decimal(2), ["acme"], True)
    ]


def test_what_was_sold_is_weighed_at_both() -> None:
    """To the micro, of those that would cost something else; refused ones are counted apart."""
    clip = Wanted("text2video", "kling-v3", "std", sound=False, voice=False, seconds=5)
    other = msgspec.structs.replace(clip, mode="pro")
    effect = Wanted("effects", "kling-v1")
    sold = [Sold("acme", 1, None, one, 3) for one in (clip, other, effect)]
    row = PriceRow("effects", per=Per.TASK, units=Decimal(1))
    cheap = msgspec.structs.replace(CLIPS, units=Decimal("0.5"))

    (found,) = weigh_sold(sold, before=prices(row), after=prices(cheap), unit_prices=UNIT)

    assert (found.tenant, found.tasks, found.refused) == ("acme", 6, 3)
    assert found.charges == Both(3 * 420_000 + 3 * 140_000, 3 * 350_000)
