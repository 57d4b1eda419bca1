"""All of the operator's prices and multipliers in one file, TOML, to be edited and read again.

A file is the whole: what is in force or to come and not in it is to end. A row without `from` is in
force; one that has begun already is written so.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

import msgspec

from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Pricing
from relay.money import micros_of
from relay.pricing.book import ANY_ENDPOINT, KEY, Multiplier, Pack, Per, PriceKind, PriceRow
from relay.pricing.difference import PriceSet, current_set, slot
from relay.pricing.in_force import Prices
from relay.pricing.validity import HOURS_OF_DAY, Hours, has_begun, spelt_hours
from relay.toml_out import spell_table, spell_value

WAYS = {
    "units_per_second": (PriceKind.UNITS, Per.SECOND),
    "units": (PriceKind.UNITS, Per.TASK),
    "units_per_image": (PriceKind.UNITS, Per.IMAGE),
    "amount_per_second": (PriceKind.FIXED, Per.SECOND),
    "amount": (PriceKind.FIXED, Per.TASK),
    "amount_per_image": (PriceKind.FIXED, Per.IMAGE),
}
PLACES_MAX = 6
AMOUNT_MAX = 1_000_000_000
TIMES_MAX = 999_999
SECONDS_MAX = 3600
ROWS_MAX = 20_000
HEAD = """\
# All prices and multipliers of this relay that are in force or to come; official rows stand behind
# them and are not in here. `relay price import FILE` makes it so: what is not in the file ends.
"""

Priced = TypeVar("Priced", PriceRow, Multiplier)


class FileError(ValueError):
    """A file that cannot be taken: one sentence, which names the row."""


class Line(msgspec.Struct, Generic[Priced], frozen=True):
    """One row of a file."""

    label: str
    """For people: its number among its kind, and what it is for."""
    tenant: str | None
    one: Priced


class PriceFile(msgspec.Struct, frozen=True):
    """A file as it was read; tenants are known by their names."""

    rows: list[Line[PriceRow]]
    multipliers: list[Line[Multiplier]]
    multiplies_amounts: bool | None = None
    """None: the file does not say."""


class _PriceTable(msgspec.Struct, forbid_unknown_fields=True):
    endpoint: str
    model: str | None = None
    mode: str | None = None
    sound: bool | None = None
    voice: bool | None = None
    video_input: bool | None = None
    duration: int | None = None
    units_per_second: Decimal | None = None
    units: Decimal | None = None
    units_per_image: Decimal | None = None
    amount_per_second: Decimal | None = None
    amount: Decimal | None = None
    amount_per_image: Decimal | None = None
    times: Decimal | None = None
    pack: Pack | None = None
    hold_seconds: int | None = None
    input_floor: Decimal | None = None
    tenant: str | None = None
    price_group: str | None = None
    hours: str | None = None
    begins: Any = msgspec.field(name="from", default=None)
    ends: Any = msgspec.field(name="until", default=None)


class _MultiplierTable(msgspec.Struct, forbid_unknown_fields=True):
    times: Decimal
    tenant: str | None = None
    price_group: str | None = None
    hours: str | None = None
    begins: Any = msgspec.field(name="from", default=None)
    ends: Any = msgspec.field(name="until", default=None)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    price: list[dict[str, Any]] = []
    multiplier: list[dict[str, Any]] = []
    multiplies_amounts: bool | None = None


Table = TypeVar("Table", _PriceTable, _MultiplierTable)


def read_file(text: str, zone: tzinfo, catalogue: Catalogue) -> PriceFile:
    """Read a file; dates and times without an offset are those of `zone`.

    Raises:
        FileError
    """
    try:
        whole = msgspec.convert(tomllib.loads(text, parse_float=Decimal), _File)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, ArithmeticError) as error:
        raise FileError(f"it is no file of prices: {one_line(error)}") from error
    return read_tables(whole.price, whole.multiplier, whole.multiplies_amounts, zone, catalogue)


def read_tables(
    prices: Sequence[dict[str, Any]],
    multipliers: Sequence[dict[str, Any]],
    multiplies_amounts: bool | None,  # noqa: FBT001 (three values)
    zone: tzinfo,
    catalogue: Catalogue,
) -> PriceFile:
    """Read the tables of a file, or of one that has more than prices.

    Raises:
        FileError
    """
    if len(prices) + len(multipliers) > ROWS_MAX:
        raise FileError(f"it has more than {ROWS_MAX:,} rows")
    rows = [read_price(table, number, zone, catalogue) for number, table in enumerate(prices, 1)]
    times = [read_multiplier(table, number, zone) for number, table in enumerate(multipliers, 1)]
    _refuse_doubles(rows)
    _refuse_doubles(times)
    return PriceFile(rows, times, multiplies_amounts)


def resolve(file: PriceFile, ids: Mapping[str, int]) -> PriceSet:
    """Find tenants by their names.

    Raises:
        FileError: there is none of a name.
    """
    return PriceSet(
        [_with_tenant(line, ids) for line in file.rows],
        [_with_tenant(line, ids) for line in file.multipliers],
        file.multiplies_amounts,
    )


def fields_priced_by(pricing: Pricing) -> dict[str, bool]:
    """Say which fields of a row tell an endpoint's tasks apart."""
    has_contents = pricing.contents is not None
    return {
        "model": pricing.model is not None or has_contents,
        "mode": pricing.mode is not None,
        "sound": pricing.sound is not None,
        "voice": pricing.voice_list is not None or has_contents,
        "video_input": bool(pricing.inputs) or has_contents,
        "duration": pricing.duration is not None,
        "input_floor": has_contents,
    }


def spell_file(prices: Prices, names: Mapping[int, str]) -> str:
    """Spell what is in force and to come; `names` are of the tenants that there are."""
    parts = [HEAD]
    if prices.multiplies_amounts is not None:
        parts.append(f"multiplies_amounts = {spell_value(prices.multiplies_amounts)}\n")
    return "\n".join([*parts, *spell_tables(prices, names)])


def spell_tables(prices: Prices, names: Mapping[int, str]) -> list[str]:
    """Spell each row as a table of its own."""
    current = current_set(prices, names)
    return [
        *(_table("price", _price_fields(row), row, names, prices.at) for row in current.rows),
        *(
            _table("multiplier", {"times": one.times}, one, names, prices.at)
            for one in current.multipliers
        ),
    ]


def _refuse_doubles(lines: Sequence[Line[Any]]) -> None:
    seen: dict[tuple[object, ...], str] = {}
    for line in lines:
        where = (*slot(line.one), line.tenant, line.one.valid_from)
        if where in seen:
            raise FileError(f"{line.label}: {seen[where]} is for the same, from the same moment on")
        seen[where] = line.label


def _with_tenant(line: Line[Priced], ids: Mapping[str, int]) -> Priced:
    if line.tenant is None:
        return line.one
    if line.tenant not in ids:
        raise FileError(f"{line.label}: there is no tenant '{line.tenant}'")
    return msgspec.structs.replace(line.one, tenant_id=ids[line.tenant])


def read_price(
    table: dict[str, Any], number: int, zone: tzinfo, catalogue: Catalogue
) -> Line[PriceRow]:
    """Read one row, as a file has it.

    Raises:
        FileError
    """
    label = f"price {number}"
    if isinstance(table.get("endpoint"), str):
        label += f" ({table['endpoint']})"
    read = _convert(table, _PriceTable, label)
    _refuse_unknown(label, read, catalogue)
    given = [name for name in WAYS if getattr(read, name) is not None]
    if len(given) != 1:
        raise FileError(f"{label}: give exactly one of {', '.join(WAYS)}")
    kind, per = WAYS[given[0]]
    value = _number(label, given[0], getattr(read, given[0]), AMOUNT_MAX)
    is_units = kind is PriceKind.UNITS
    _refuse_senseless(label, read, kind, per)
    times = Decimal(1) if read.times is None else _number(label, "times", read.times, TIMES_MAX)
    floor = read.input_floor
    pack = Pack.IMAGE if is_units and per is Per.IMAGE else read.pack or Pack.VIDEO
    row = PriceRow(
        endpoint=read.endpoint,
        model=read.model,
        mode=read.mode,
        sound=read.sound,
        voice=read.voice,
        video_input=read.video_input,
        duration_s=read.duration,
        kind=kind,
        per=per,
        units=value if is_units else None,
        amount_micros=None if is_units else micros_of(value),
        pack=pack,
        multiplier=times,
        hold_seconds=read.hold_seconds,
        input_floor=None if floor is None else _number(label, "input_floor", floor, TIMES_MAX),
        **_dated(label, read, zone),
    )
    return Line(label, read.tenant, row)


def _refuse_unknown(label: str, read: _PriceTable, catalogue: Catalogue) -> None:
    """Refuse an endpoint that is not there, and fields that it is not priced by."""
    if read.endpoint == ANY_ENDPOINT:
        return
    endpoints = {endpoint.name: endpoint for endpoint in catalogue.priced}
    if read.endpoint not in endpoints:
        close = get_close_matches(read.endpoint, endpoints, n=1)
        meant = f"; did you mean '{close[0]}'?" if close else ""
        raise FileError(f"{label}: there is no endpoint '{read.endpoint}'{meant}")
    pricing = endpoints[read.endpoint].pricing
    for name, field in fields_priced_by(pricing).items():
        if getattr(read, name) is not None and not field:
            raise FileError(f"{label}: {read.endpoint} is not priced by {name}")


def _refuse_senseless(label: str, read: _PriceTable, kind: PriceKind, per: Per) -> None:
    """Refuse what no row can say: the same that `relay price set` refuses."""
    for name in ("endpoint", "model", "mode"):
        if getattr(read, name) == "":
            raise FileError(f"{label}: {name} is empty; left out, it fits any")
    for name, seconds in (("duration", read.duration), ("hold_seconds", read.hold_seconds)):
        if seconds is not None and not 1 <= seconds <= SECONDS_MAX:
            raise FileError(f"{label}: {name} must be 1 to {SECONDS_MAX}")
    if read.endpoint == ANY_ENDPOINT and per is not Per.TASK:
        raise FileError(f"{label}: '*' takes units or amount: its tasks' length is not known")
    if kind is PriceKind.FIXED and read.times is not None:
        raise FileError(f"{label}: times multiplies units; an amount is what it is")
    if per is not Per.SECOND and (read.hold_seconds is not None or read.input_floor is not None):
        raise FileError(f"{label}: hold_seconds and input_floor go with a price per second")


def read_multiplier(table: dict[str, Any], number: int, zone: tzinfo) -> Line[Multiplier]:
    """Read one, as a file has it.

    Raises:
        FileError
    """
    label = f"multiplier {number}"
    read = _convert(table, _MultiplierTable, label)
    times = _number(label, "times", read.times, TIMES_MAX)
    return Line(label, read.tenant, Multiplier(times, **_dated(label, read, zone)))


def _convert(table: dict[str, Any], kind: type[Table], label: str) -> Table:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{label}: {one_line(error)}") from error


def _dated(label: str, read: _PriceTable | _MultiplierTable, zone: tzinfo) -> dict[str, Any]:
    if read.tenant is not None and read.price_group is not None:
        raise FileError(f"{label}: it is for a tenant or for a price group, not for both")
    begins, ends = (
        read_moment(label, name, given, zone)
        for name, given in (("from", read.begins), ("until", read.ends))
    )
    if begins is not None and ends is not None and ends <= begins:
        raise FileError(f"{label}: it ends before it begins")
    return {
        "price_group": read.price_group,
        "hours": None if read.hours is None else _hours(label, read.hours),
        "valid_from": begins,
        "valid_to": ends,
    }


def read_moment(label: str, name: str, given: object, zone: tzinfo) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, date) and not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day, tzinfo=zone)
    if not isinstance(given, datetime):
        raise FileError(f"{label}: {name} must be a date or a moment, such as 2026-12-01")
    try:
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise FileError(f"{label}: {name} is beyond all calendars") from error


def _hours(label: str, spelt: str) -> Hours:
    begin, dash, end = spelt.partition("-")
    are_numbers = all(part.isascii() and part.isdecimal() for part in (begin, end))
    if dash and are_numbers and len(spelt) <= len("22-24"):
        hours = (int(begin), int(end))
        if hours[0] < HOURS_OF_DAY and 0 < hours[1] <= HOURS_OF_DAY and hours[0] != hours[1]:
            return hours
    raise FileError(f"{label}: hours '{spelt}' is not like 18-24, or 22-6 over midnight")


def _number(label: str, name: str, given: Decimal, most: int) -> Decimal:
    if not given.is_finite() or given < 0 or given > most:
        raise FileError(f"{label}: {name} must be 0 to {most:,}")
    if given != given.quantize(Decimal(1).scaleb(-PLACES_MAX)):
        raise FileError(f"{label}: {name} has more than {PLACES_MAX} decimal places")
    return given


def _price_fields(row: PriceRow) -> dict[str, object]:
    way = next(name for name, way in WAYS.items() if way == (row.kind, row.per))
    number = row.units if row.units is not None else Decimal(row.amount_micros or 0) / 1_000_000
    is_usual_pack = row.pack is (Pack.IMAGE if way == "units_per_image" else Pack.VIDEO)
    return {
        **{name: getattr(row, name) for name in KEY[:-1]},
        "duration": row.duration_s,
        way: number,
        "times": None if row.multiplier == 1 else row.multiplier,
        "pack": None if is_usual_pack else row.pack.value,
        "hold_seconds": row.hold_seconds,
        "input_floor": row.input_floor,
    }


def _table(
    kind: str,
    fields: dict[str, object],
    one: PriceRow | Multiplier,
    names: Mapping[int, str],
    at: datetime,
) -> str:
    fields |= {
        "tenant": None if one.tenant_id is None else names[one.tenant_id],
        "price_group": one.price_group,
        "hours": None if one.hours is None else spelt_hours(one.hours),
        # Of what is for good and has begun it says nothing; what ends lies over that.
        "from": None if has_begun(one, at) and one.valid_to is None else one.valid_from,
        "until": one.valid_to,
    }
    return spell_table(kind, fields)


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())
