"""Prices as a file: written and read they are the same; what cannot be taken names its row."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.kling.catalogue import Catalogue
from relay.pricing.book import ANY_ENDPOINT, Multiplier, Pack, Per, PriceKind, PriceRow
from relay.pricing.difference import current_set, differ
from relay.pricing.file import FileError, read_file, resolve, spell_file
from relay.pricing.in_force import Prices

NOW = datetime(2026, 11, 27, 12, 0, 0, 123_456, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = {7: 'acme "one" \\ \x7f 中'}
IDS = {name: id_ for id_, name in NAMES.items()}
CATALOGUE = Catalogue()
LATER: dict[str, Any] = {"valid_from": NOW + DAY}
ROWS = [
    PriceRow("text2video", units=Decimal("0.6"), model="kling-v3", valid_from=NOW - DAY),
    PriceRow(
        *("text2video", PriceKind.FIXED, Per.TASK),
        amount_micros=1,
        mode="std",
        sound=False,
        duration_s=5,
        tenant_id=7,
        hours=(22, 6),
        valid_from=NOW - DAY,
        valid_to=NOW + DAY,
    ),
    # One for good, one for a while that lies over it, and one in place of both.
    PriceRow("omni-video", units=Decimal(1), price_group="vip", valid_from=NOW - 2 * DAY),
    PriceRow(
        *("omni-video",),
        units=Decimal(2),
        price_group="vip",
        valid_from=NOW - DAY,
        valid_to=NOW + DAY,
    ),
    PriceRow("omni-video", units=Decimal(3), price_group="vip", valid_from=NOW + 2 * DAY),
    PriceRow("generations", per=Per.IMAGE, units=Decimal(4), pack=Pack.IMAGE, **LATER),
    PriceRow("effects", per=Per.TASK, units=Decimal(4), pack=Pack.IMAGE, **LATER),
    PriceRow(
        *("2.0-omni-video", PriceKind.UNITS, Per.SECOND),
        units=Decimal("1.4"),
        multiplier=Decimal("1.25"),
        hold_seconds=9,
        input_floor=Decimal(2),
    ),
    PriceRow(ANY_ENDPOINT, kind=PriceKind.FIXED, per=Per.TASK, amount_micros=12_345_678),
]
MULTIPLIERS = [
    Multiplier(Decimal("1.1"), valid_from=NOW - DAY),
    Multiplier(Decimal("0.000001"), tenant_id=7, hours=(0, 24), valid_to=NOW + DAY),
    Multiplier(Decimal(2), price_group="vip", **LATER),
]


def prices(rows: list[PriceRow], multipliers: list[Multiplier]) -> Prices:
    return Prices(rows, multipliers, at=NOW, multiplies_amounts=True)


def test_what_is_written_is_read_as_the_same() -> None:
    """Whatever a row says, to the microsecond and the micro; a tenant is known by its name."""
    there = prices(ROWS, MULTIPLIERS)

    text = spell_file(there, NAMES)
    wanted = resolve(read_file(text, UTC, CATALOGUE), IDS)
    of_others = current_set(there, ())

    assert differ(current_set(there, NAMES), wanted, NOW).is_nothing
    assert differ(wanted, current_set(there, NAMES), NOW).is_nothing
    assert len(wanted.rows) == len(ROWS)
    # Rows of a tenant that was removed are no business of the file's.
    assert len(of_others.rows) == len(ROWS) - 1


def test_a_difference_is_what_ends_and_what_is_added() -> None:
    """What has begun in a slot goes together: else what is set anew would lie over what ends."""
    there = current_set(prices(ROWS, MULTIPLIERS), NAMES)
    text = spell_file(prices(ROWS, MULTIPLIERS), NAMES)

    def changed(old: str, new: str) -> list[list[Decimal | None]]:
        assert old in text
        file = read_file(text.replace(old, new, 1), UTC, CATALOGUE)
        found = differ(there, resolve(file, IDS), NOW)
        return [
            [one.units if isinstance(one, PriceRow) else one.times for one in side]
            for side in (found.ended, found.added)
        ]

    assert changed("units_per_second = 0.6", "units_per_second = 0.60") == [[], []]
    assert changed("units_per_second = 0.6", "units_per_second = 0.7") == [
        [Decimal("0.6")],
        [Decimal("0.7")],
    ]
    assert changed("units_per_second = 1\n", "units_per_second = 9\n") == [
        [Decimal(1), Decimal(2)],
        [Decimal(9), Decimal(2)],
    ]
    assert changed("times = 2\n", "times = 3\n") == [[Decimal(2)], [Decimal(3)]]


def test_dates_without_an_offset_are_the_relays_own() -> None:
    """A day begins at its midnight there."""
    text = """
        price = [
          {endpoint = "tts", units = 1, from = 2026-12-01, until = 2026-12-02T03:00:00},
          {endpoint = "tts", units = 1, from = 2026-12-01T00:00:00Z},
        ]
    """
    first, second = read_file(text, ZoneInfo("Asia/Shanghai"), CATALOGUE).rows

    assert first.one.valid_from == datetime(2026, 11, 30, 16, tzinfo=UTC)
    assert first.one.valid_to == datetime(2026, 12, 1, 19, tzinfo=UTC)
    assert second.one.valid_from == datetime(2026, 12, 1, tzinfo=UTC)


WHOLE = 'endpoint = "text2video"\nunits = 1\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[price]", "it is no file of prices: "),
        ("prices = []", "unknown field `prices`"),
        ("price = 3", "it is no file of prices: "),
        ("price = [3]", "it is no file of prices: "),
        ('multiplies_amounts = "yes"', "it is no file of prices: "),
        ("[[price]]\nunits = 1", "price 1: Object missing required field `endpoint`"),
        (
            f"[[price]]\n{WHOLE}[[price]]\n{WHOLE}modle = 'x'",
            "price 2 (text2video): Object contains",
        ),
        ("[[price]]\nendpoint = 'text3video'\nunits = 1", "did you mean 'text2video'?"),
        ("[[price]]\nendpoint = 'text2video'", "price 1 (text2video): give exactly one of"),
        (f"[[price]]\n{WHOLE}amount = 1", "give exactly one of units_per_second, units"),
        (f"[[price]]\n{WHOLE}sound = 'on'", "Expected `bool"),
        (f"[[price]]\n{WHOLE}duration = 0", "duration must be 1 to 3600"),
        (f"[[price]]\n{WHOLE}model = ''", "model is empty"),
        (f"[[price]]\n{WHOLE}video_input = true", "text2video is not priced by video_input"),
        (f"[[price]]\n{WHOLE}hold_seconds = 3", "go with a price per second"),
        (f"[[price]]\n{WHOLE}times = -1", "times must be 0 to 999,999"),
        (f"[[price]]\n{WHOLE}times = nan", "times must be 0 to"),
        (f"[[price]]\n{WHOLE}times = 1.0000001", "more than 6 decimal places"),
        (f"[[price]]\n{WHOLE}times = 1e-300", "more than 6 decimal places"),
        (f"[[price]]\n{WHOLE}pack = 'audio'", "Invalid enum value"),
        (f"[[price]]\n{WHOLE}hours = '25-3'", "hours '25-3' is not like 18-24"),
        (f"[[price]]\n{WHOLE}hours = '²-3'", "is not like 18-24"),
        (f"[[price]]\n{WHOLE}from = 3", "from must be a date or a moment"),
        (f"[[price]]\n{WHOLE}until = 03:00:00", "until must be a date or a moment"),
        (f"[[price]]\n{WHOLE}from = 2027-01-02\nuntil = 2027-01-01", "it ends before it begins"),
        (f"[[price]]\n{WHOLE}tenant = 'a'\nprice_group = 'b'", "not for both"),
        (f"[[price]]\n{WHOLE}[[price]]\n{WHOLE}", "price 2 (text2video): price 1 (text2video) is"),
        ("[[price]]\nendpoint = '*'\nunits_per_second = 1", "'*' takes units or amount"),
        ("[[price]]\nendpoint = 'tts'\namount = 1e10", "amount must be 0 to 1,000,000,000"),
        ("[[price]]\nendpoint = 'tts'\namount = 1\ntimes = 2", "times multiplies units"),
        ("[[price]]\nendpoint = 'tts'\nunits = true", "Expected `decimal"),
        ("[[multiplier]]\ntenant = 'a'", "multiplier 1: Object missing required field `times`"),
        ("[[multiplier]]\ntimes = 1\n[[multiplier]]\ntimes = 2", "multiplier 2: multiplier 1 is"),
        ("price = " + "[" * 5000, "it is no file of prices: "),
    ],
)
def test_what_cannot_be_taken_is_one_sentence_that_names_the_row(text: str, said: str) -> None:
    """By its number and what it is for; no traceback of a library's, no line break."""
    with pytest.raises(FileError) as raised:
        read_file(text, UTC, CATALOGUE)

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_tenant_that_there_is_not_is_named() -> None:
    """With its row."""
    file = read_file(f"[[price]]\n{WHOLE}tenant = 'acmee'", UTC, CATALOGUE)

    with pytest.raises(FileError, match=r"price 1 \(text2video\): there is no tenant 'acmee'"):
        resolve(file, IDS)
