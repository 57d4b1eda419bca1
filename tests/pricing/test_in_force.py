"""When prices hold and for whom: moments, hours, summer time, and what lies over what."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from relay.database.engine import open_engine, open_sessions
from relay.kling.wanted import Wanted
from relay.pricing.book import ANY_ENDPOINT, Multiplier, Per, PriceKind, PriceRow
from relay.pricing.edit import end_price, set_multiplier, set_price
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.official import OFFICIAL
from relay.pricing.prices import read_rows
from relay.pricing.quote import UnitPrices, cost_micros, quote
from relay.pricing.validity import is_within
from relay.pricing.why import explain

WANTED = Wanted("text2video", model="kling-v3", mode="std", sound=False, voice=False, seconds=5)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def row(number: int, endpoint: str = "text2video", **of: Any) -> PriceRow:
    """A row that is recognised by its amount."""
    return PriceRow(endpoint, kind=PriceKind.FIXED, per=Per.TASK, amount_micros=number, **of)


def found(prices: Prices, tenant_id: int | None = None, group: str | None = None) -> int | None:
    taken = prices.book(tenant_id, group).find(WANTED)
    return None if taken is None else taken.amount_micros


def test_all_of_a_tenants_own_goes_before_its_groups_and_that_before_what_is_for_all() -> None:
    """However vague; then comes the list, and what is for any endpoint, in the same order."""
    rows = [
        row(1, model="kling-v3", mode="std", sound=False),
        row(2, model="kling-v3", price_group="vip"),
        row(3, tenant_id=7),
        row(4, ANY_ENDPOINT, tenant_id=8),
        row(5, ANY_ENDPOINT),
    ]
    without_list = Prices(rows[3:], at=NOW)
    with_list = Prices(rows[3:], official=OFFICIAL, at=NOW)
    prices = Prices(rows, official=OFFICIAL, at=NOW)

    seen = [found(prices, *who) for who in [(7, "vip"), (9, "vip"), (9, None), (9, "other")]]

    assert seen == [3, 2, 1, 1]
    assert (found(with_list, 8), found(without_list, 8), found(without_list, 9)) == (None, 4, 5)
    # Those for whom all is alike share one book, and what it remembers.
    assert prices.book(9, None) is prices.book(10, "other") is not prices.book(9, "vip")


def test_of_one_key_the_hours_go_first_and_then_what_began_later() -> None:
    """In whatever order they were set; a row that names more goes before one for these hours."""
    rows = [
        row(1, valid_from=NOW - 3 * DAY),
        row(2, valid_from=NOW - DAY, valid_to=NOW + DAY),
        row(3, valid_from=NOW + DAY),
        row(4, valid_from=NOW - 2 * DAY, hours=(18, 24)),
    ]
    for order in itertools.permutations(rows):
        prices = Prices(order, at=NOW)
        moments = [NOW - 2 * DAY, NOW, NOW + DAY, NOW + timedelta(hours=6), NOW - 4 * DAY]

        assert [found(prices.moved(at)) for at in moments] == [1, 2, 3, 4, None]
    named = Prices([*rows, row(5, mode="std", valid_from=NOW - DAY)], at=NOW + timedelta(hours=6))
    assert found(named) == 5


def test_one_multiplier_counts_the_closest() -> None:
    """The tenant's own, else its group's, else everybody's; they are not multiplied."""
    times = [
        Multiplier(Decimal("1.1")),
        Multiplier(Decimal("1.2"), price_group="vip"),
        Multiplier(Decimal("0.9"), price_group="vip", hours=(0, 8)),
        Multiplier(Decimal(1), tenant_id=7),
    ]
    prices = Prices(multipliers=times, at=NOW)
    whom: list[tuple[int, str | None]] = [(7, "vip"), (8, "vip"), (8, None)]

    by_day = [prices.book(*who).multiplier for who in whom]
    at_night = [prices.moved(NOW - timedelta(hours=9)).book(*who).multiplier for who in whom]

    assert by_day == [Decimal(1), Decimal("1.2"), Decimal("1.1")]
    assert at_night == [Decimal(1), Decimal("0.9"), Decimal("1.1")]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # clocks go from 02:00 to 03:00 at 01:00 UTC, and from 03:00 to 02:00 at 01:00 UTC
        ("2026-03-29T00:30:00", "2026-03-29T01:00:00"),
        ("2026-03-29T01:00:00", "2026-03-29T02:00:00"),
        ("2026-10-25T00:10:00", "2026-10-25T01:00:00"),
        ("2026-10-25T01:00:00", "2026-10-25T02:00:00"),
    ],
)
def test_hours_end_where_the_clock_on_the_wall_says_so(at: str, expected: str) -> None:
    """Also on the two days of the year on which it is put."""
    prices = Prices([row(1, hours=(2, 3))], at=datetime.fromisoformat(f"{at}+00:00"), zone=BERLIN)

    assert prices.good_until == datetime.fromisoformat(f"{expected}+00:00")


def test_a_clock_that_is_put_within_an_hour_ends_it_there() -> None:
    """As Newfoundland's was till 2011: at 00:01 it became 01:01."""
    at = datetime(2010, 3, 14, 3, 30, 30, 5, tzinfo=UTC)

    prices = Prices([row(1, hours=(0, 1))], at=at, zone=ZoneInfo("America/St_Johns"))
    put = prices.good_until

    assert put == datetime(2010, 3, 14, 3, 31, tzinfo=UTC)
    assert (found(prices), found(prices.moved(put))) == (1, None)


def test_an_hour_that_is_missing_holds_nothing_and_one_that_stands_twice_twice() -> None:
    """02-03 of Berlin's two days: no minute of the one, two hours of the other."""
    prices = Prices([row(1, hours=(2, 3))], at=NOW, zone=BERLIN)

    def minutes_of(day: str) -> int:
        start = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(hours=3)
        moments = (start + timedelta(minutes=number) for number in range(26 * 60))
        return sum(
            found(prices.moved(at)) == 1 and at.astimezone(BERLIN).day == int(day[-2:])
            for at in moments
        )

    assert [minutes_of(day) for day in ("2026-03-28", "2026-03-29", "2026-10-25")] == [60, 0, 120]


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"]
)
def test_nothing_changes_before_it_is_said_to(zone: str) -> None:
    """Up to `good_until` each minute has one price, by an own reckoning of the hour; also on the
    days on which the clock is put, by half an hour where it is."""
    chance = random.Random(zone)
    days = [date.fromordinal(number) for number in range(738_887, 739_252)]
    put = [day for day in days if offset_of(day, zone) != offset_of(day + DAY, zone)]
    for day in [*put, *chance.sample(days, 5)]:
        for _ in range(10):
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) - DAY / 2
            check_until_next_change(chance, at + timedelta(minutes=chance.randrange(48 * 60)), zone)


def offset_of(day: date, zone: str) -> timedelta | None:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).utcoffset()


def check_until_next_change(chance: random.Random, at: datetime, zone: str) -> None:
    begin = chance.randrange(24)
    hours = (begin, chance.choice([hour for hour in range(1, 25) if hour != begin]))
    start = at + timedelta(minutes=chance.randrange(-300, 300))
    lasts = chance.randrange(1, 600)
    dated = row(2, valid_from=start, valid_to=start + timedelta(minutes=lasts))
    prices = Prices([row(1, hours=hours), dated], at=at, zone=ZoneInfo(zone))

    def expected(moment: datetime) -> int | None:
        if is_within(hours, int(moment.astimezone(ZoneInfo(zone)).strftime("%H"))):
            return 1
        return 2 if start <= moment < start + timedelta(minutes=lasts) else None

    assert prices.good_until is not None
    assert prices.good_until > at
    moment = at
    while moment < prices.good_until:
        assert found(prices.moved(moment)) == expected(moment) == found(prices)
        moment += timedelta(minutes=1)
    assert found(prices.moved(prices.good_until)) == expected(prices.good_until)


def test_amounts_are_multiplied_only_where_that_was_said() -> None:
    """To the micro, by the second and by the result's seconds too; then the quote keeps by what."""
    amount = PriceRow("avatar", kind=PriceKind.FIXED, amount_micros=1_000_001)
    open_task = Wanted("avatar", is_open=True, seconds_max=10)
    times = Decimal("1.25")

    def quoted(*, multiplies: bool) -> Any:
        return quote(
            *(amount, open_task),
            prices=UnitPrices(140_000, 3_500),
            tenant_multiplier=times,
            multiplies_amounts=multiplies,
        )

    exact, multiplied = quoted(multiplies=False), quoted(multiplies=True)
    charges = [
        cost_micros(one, deduction=None, result_seconds=Decimal("2.6"))
        for one in (exact, multiplied)
    ]

    assert (exact.hold_micros, exact.amount_times) == (10_000_010, None)
    assert (multiplied.hold_micros, multiplied.amount_times) == (12_500_013, times)
    assert charges == [3_000_003, 3_750_004]


def test_the_reasons_name_each_row_that_fits() -> None:
    """The one that takes it first, and what each of the others lost by, in the order of trying."""
    rows = [
        row(1, tenant_id=7, model="kling-v3"),
        row(2, tenant_id=7),
        row(3, tenant_id=7, duration_s=5),
        row(4, tenant_id=7, model="kling-v3", valid_from=NOW + DAY),
        row(5, tenant_id=7, model="kling-v3", hours=(0, 8)),
        row(6, price_group="vip", model="kling-v3", mode="std"),
        row(7, tenant_id=8),
        row(8, mode="pro"),
    ]
    times = [Multiplier(Decimal(2)), Multiplier(Decimal(3), price_group="vip")]

    reasons = explain(Prices(rows, times, OFFICIAL, at=NOW), WANTED, tenant_id=7, price_group="vip")

    told = [(one.row.amount_micros, one.of, str(one.reason)) for one in reasons.rows]
    assert told == [
        (1, "the tenant's", "the first that fits"),
        (3, "the tenant's", "it names as many fields, but not the model"),
        (2, "the tenant's", "it names 0 of the task's fields, the first 1"),
        (6, "its group's", "a row goes before it: the tenant's"),
        (None, "Kling's list", "a row goes before it: the tenant's"),
        (5, "the tenant's", "it is for the hours 0-8, and it is 12:00"),
        (4, "the tenant's", "it begins later"),
    ]
    assert [one.is_chosen for one in reasons.rows] == [True, *[False] * 6]
    assert [(one.multiplier.times, str(one.reason)) for one in reasons.multipliers] == [
        (Decimal(3), "the first that fits"),
        (Decimal(2), "one goes before it: its group's"),
    ]


async def test_a_change_is_a_row_of_its_own_and_history_stays(database_url: str) -> None:
    """Set anew, for a while, for a day to come, corrected, ended: each moment has its price."""
    engine = open_engine(database_url)
    async with open_sessions(engine).begin() as session:
        now = (await read_prices(session)).at
        # As if the first two had been set on earlier days: within a transaction all is now.
        await set_price(session, row(1, valid_from=now - 9 * DAY))
        await set_price(session, row(2, valid_from=now - 5 * DAY))
        await set_price(session, row(3, valid_from=now + DAY, valid_to=now + 2 * DAY))
        await set_price(session, row(4, valid_from=now + 4 * DAY))
        await set_price(session, row(5, valid_from=now + 4 * DAY))  # in place of 4
        await set_price(session, row(6, price_group="vip"))
        await set_multiplier(session, Multiplier(Decimal("1.5"), valid_from=now + DAY))
        rows = await read_rows(session)
        prices = await read_prices(session)
        days = (0, 1, 2, 4)
        to_come = [found(prices.moved(now + number * DAY)) for number in days]
        coming = [one.amount_micros for one in prices.coming_rows]
        past = [found(await read_prices(session, at=now - number * DAY)) for number in (8, 5, 1)]
        mirrored = await session.scalar(text("SELECT amount_micros FROM prices"))
        has_ended = [await end_price(session, row(0), at=now + 3 * DAY) for _ in range(2)]
        later = await read_prices(session)
        ended = [found(later.moved(now + number * DAY)) for number in days]
        await end_price(session, row(0))
        left = await session.scalar(text("SELECT count(*) FROM prices"))

    await engine.dispose()
    assert len(rows) == 6
    assert to_come == [2, 3, 2, 5]
    assert coming == [3, 5]
    assert past == [1, 2, 2]
    assert prices.moved(now + DAY).book().multiplier == Decimal("1.5")
    assert prices.good_until == now + DAY
    assert (mirrored, left) == (2, 0)  # what the release before reads
    # Of the day after its end nothing is left: the official list prices it.
    assert has_ended == [True, False]
    assert ended == [2, 3, 2, None]
