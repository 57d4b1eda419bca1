"""Quotes and charges: whole micros, rounded half up once, from figures frozen on the task."""

from decimal import Decimal

import msgspec
import pytest

from relay.kling.wanted import Wanted
from relay.money import decimal_of, rounded
from relay.pricing.book import Pack, Per, PriceKind, PriceRow
from relay.pricing.quote import (
    Quote,
    UnitPrices,
    cost_micros,
    needs_deduction,
    quote,
    shown_units,
)

USD = UnitPrices(video_micros=140_000, image_micros=3_500)
CNY = UnitPrices(video_micros=1_000_000, image_micros=25_000)
POINTS = UnitPrices(video_micros=100_000_000, image_micros=2_500_000)
CLIP = Wanted("text2video", model="kling-v3", mode="std", seconds=5)
OPEN = Wanted("omni-video", model="kling-v3-omni", mode="std", is_open=True, seconds_max=15)
PER_SECOND = PriceRow("text2video", units=Decimal("0.6"))
PER_TASK = PriceRow("text2video", units=Decimal("3.5"), per=Per.TASK)
FIXED_TASK = PriceRow("text2video", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=3_000_000)
FIXED_SECOND = PriceRow("text2video", kind=PriceKind.FIXED, amount_micros=90_000)


def quoted(
    row: PriceRow,
    wanted: Wanted = CLIP,
    *,
    prices: UnitPrices = USD,
    multiplier: str = "1",
) -> Quote:
    return quote(row, wanted, prices=prices, tenant_multiplier=Decimal(multiplier))


@pytest.mark.parametrize(
    ("row", "prices", "held"),
    [
        (PER_SECOND, USD, 420_000),
        (PER_SECOND, CNY, 3_000_000),
        (PER_SECOND, POINTS, 300_000_000),
        (PER_TASK, USD, 490_000),
        (FIXED_TASK, USD, 3_000_000),
        (FIXED_TASK, POINTS, 3_000_000),
        (FIXED_SECOND, USD, 450_000),
        (PriceRow("images", units=Decimal(8), per=Per.TASK, pack=Pack.IMAGE), USD, 28_000),
        (PriceRow("images", units=Decimal(8), per=Per.TASK, pack=Pack.IMAGE), CNY, 200_000),
    ],
)
def test_a_quote_is_what_the_task_may_cost(row: PriceRow, prices: UnitPrices, held: int) -> None:
    """Units by their pack's price in the books' currency, or a fixed amount; a task or a second."""
    assert quoted(row, prices=prices).hold_micros == held


@pytest.mark.parametrize(
    ("row_multiplier", "tenant_multiplier", "held"),
    [("1", "1", 420_000), ("1.2", "1", 504_000), ("1", "0.9", 378_000), ("1.2", "0.9", 453_600)],
)
def test_multipliers_of_row_and_tenant_multiply(
    row_multiplier: str, tenant_multiplier: str, held: int
) -> None:
    """Both on units."""
    row = msgspec.structs.replace(PER_SECOND, multiplier=Decimal(row_multiplier))

    assert quoted(row, multiplier=tenant_multiplier).hold_micros == held


def test_a_fixed_amount_is_not_multiplied() -> None:
    """ "This clip costs exactly 3" means 3, for every tenant."""
    row = msgspec.structs.replace(FIXED_TASK, multiplier=Decimal(7))

    assert quoted(row, multiplier="0.5").hold_micros == 3_000_000


@pytest.mark.parametrize(
    ("micros", "whole"),
    [("0.4999", 0), ("0.5", 1), ("1.5", 2), ("2.5", 3), ("2.499999999999999999999", 2)],
)
def test_money_is_rounded_half_up_to_a_micro(micros: str, whole: int) -> None:
    """Not to even, as Python does by itself, and not through a float."""
    assert rounded(Decimal(micros)) == whole


def test_money_is_rounded_once() -> None:
    """Five seconds at 0.112 micros are 0.56, so 1: each rounded by itself would be nothing."""
    row = PriceRow("text2video", units=Decimal(1), multiplier=Decimal("0.0000008"))

    held = quoted(row, prices=UnitPrices(video_micros=140_000, image_micros=1)).hold_micros

    assert held == 1
    assert quoted(row).unit_micros == Decimal("0.112")


@pytest.mark.parametrize(
    ("row_hold_seconds", "seconds", "held"), [(None, 15, 1_260_000), (8, 8, 672_000)]
)
def test_an_unknown_length_holds_for_the_longest_or_what_the_row_says(
    row_hold_seconds: int | None, seconds: int, held: int
) -> None:
    """A base-video edit is as long as its video, which only Kling knows."""
    row = PriceRow("omni-video", units=Decimal("0.6"), hold_seconds=row_hold_seconds)

    made = quoted(row, OPEN)

    assert (made.seconds, made.is_open, made.hold_micros) == (seconds, True, held)


@pytest.mark.parametrize(
    ("row", "deduction", "charge"),
    [
        (PER_SECOND, "3", 420_000),
        (PER_SECOND, "2.5", 350_000),
        (PER_SECOND, "9", 1_260_000),  # capped at the hold where it is charged
        (PER_SECOND, "0.0000036", 1),
        (PER_SECOND, None, 420_000),
        (FIXED_TASK, "2.5", 3_000_000),
        (FIXED_SECOND, "2.5", 450_000),
    ],
)
def test_a_charge_follows_the_deduction_or_the_quote(
    row: PriceRow, deduction: str | None, charge: int
) -> None:
    """Units by what Kling took, fixed rows by what was agreed; without a usable one the quote."""
    made = quoted(row)

    figure = None if deduction is None else Decimal(deduction)
    assert cost_micros(made, deduction=figure, result_seconds=Decimal(5)) == charge


@pytest.mark.parametrize(
    ("seconds", "charge"),
    [("4.4", 360_000), ("4.5", 450_000), ("5.041", 450_000), (None, 1_350_000), ("0", 1_350_000)],
)
def test_a_fixed_price_per_second_of_unknown_length_goes_by_the_billed_seconds(
    seconds: str | None, charge: int
) -> None:
    """Rounded to the nearest second, as Kling bills; without a length the quote."""
    made = quoted(FIXED_SECOND, OPEN)

    result_seconds = None if seconds is None else Decimal(seconds)
    assert cost_micros(made, deduction=None, result_seconds=result_seconds) == charge


def test_kling_is_asked_only_for_what_a_charge_needs() -> None:
    """Not for a fixed price of a known length."""
    needs = [
        needs_deduction(quoted(row, wanted))
        for row, wanted in (
            (PER_SECOND, CLIP),
            (FIXED_TASK, CLIP),
            (FIXED_SECOND, CLIP),
            (FIXED_TASK, OPEN),
            (FIXED_SECOND, OPEN),
        )
    ]

    assert needs == [True, False, False, False, True]


def test_a_quote_survives_its_storage_as_json() -> None:
    """With every digit of its decimals: the price of today settles the task of yesterday."""
    row = msgspec.structs.replace(PER_SECOND, multiplier=Decimal("1.234567"), mode="std")
    made = quoted(row, multiplier="0.333333")

    assert msgspec.json.decode(msgspec.json.encode(made), type=Quote) == made


@pytest.mark.parametrize(
    ("charged", "multiplier", "shown"),
    [
        (420_000, "1", "3"),
        (350_000, "1", "2.5"),
        (504_000, "1.2", "3.6"),
        (1, "1", "0"),
        (100_000, "1", "0.7143"),
        (0, "1", "0"),
    ],
)
def test_a_tenant_sees_units_at_list_price(charged: int, multiplier: str, shown: str) -> None:
    """Its own charge by Kling's list price, at most four places; at list price Kling's number."""
    made = quoted(PER_SECOND, multiplier=multiplier)

    assert shown_units(charged, made) == shown


@pytest.mark.parametrize(
    ("micros", "text"),
    [(350_000, "0.35"), (3_000_000, "3"), (1, "0.000001"), (0, "0"), (-420_000, "-0.42")],
)
def test_people_read_decimals(micros: int, text: str) -> None:
    """Without exponent and trailing zeros."""
    assert decimal_of(micros) == text


IMAGES = Wanted("generations", model="kling-image-v9", is_image=True)
CATCH_ALL = PriceRow(endpoint="*", per=Per.TASK, units=Decimal(50))


def test_a_catch_all_holds_units_of_the_endpoints_own_pack() -> None:
    """50 image units at 0.0035 for images, 50 video units at 0.14 for all else."""
    image = quote(CATCH_ALL, IMAGES, prices=USD, tenant_multiplier=Decimal(1))
    video = quote(CATCH_ALL, Wanted("effects"), prices=USD, tenant_multiplier=Decimal(1))

    assert (image.hold_micros, video.hold_micros) == (175_000, 7_000_000)


@pytest.mark.parametrize(
    ("package", "charge"), [("image", 84_000), ("video", 3_360_000), (None, 3_360_000)]
)
def test_units_cost_what_the_pack_that_kling_names_costs(package: str | None, charge: int) -> None:
    """20 units, list price times 1.2: 0.084 USD of images, 3.36 USD of videos."""
    made = quote(CATCH_ALL, Wanted("effects"), prices=USD, tenant_multiplier=Decimal("1.2"))

    charged = cost_micros(made, deduction=Decimal(20), result_seconds=None, package=package)

    assert charged == charge
    assert shown_units(charged, made, package) == "24"
