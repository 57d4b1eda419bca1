"""A price row or a multiplier as its form has it: for which tasks, for whom, when, and how much."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from relay.console.page import Page
from relay.desk.errors import NoSuch
from relay.html.days import read_moment, spelt_moment
from relay.html.form import Form
from relay.kling.catalogue import Catalogue
from relay.money import decimal_of, plain
from relay.pricing.book import ANY_ENDPOINT, KEY, Multiplier, PriceRow
from relay.pricing.file import (
    AMOUNT_MAX,
    PLACES_MAX,
    SECONDS_MAX,
    TIMES_MAX,
    WAYS,
    FileError,
    fields_priced_by,
    read_multiplier,
    read_price,
)
from relay.pricing.in_force import Prices
from relay.pricing.validity import spelt_hours

SWITCHES = ("sound", "voice", "video_input")
ON_OFF = {"on": True, "off": False}
OF_TASK = ("endpoint", "model", "mode", *SWITCHES, "duration")
FOR_WHOM = ("tenant", "price_group", "hours")
WHEN = ("from", "until")
HOW_MUCH = ("way", "number", "times", "pack", "hold_seconds", "input_floor")
FIELDS = (*OF_TASK, *FOR_WHOM, *WHEN, *HOW_MUCH)
"""Of a price row; each stands in addresses under its name, too."""
PACKS = ("video", "image")
WORD_MAX = 200
_HOURS = re.compile(r"(\d{1,2}) ?- ?(\d{1,2})", re.ASCII)


class Given(msgspec.Struct, frozen=True):
    """A row as it was typed, with its tenant by name."""

    row: PriceRow
    tenant: str | None


class GivenTimes(msgspec.Struct, frozen=True):
    """A multiplier as it was typed, with its tenant by name."""

    one: Multiplier
    tenant: str | None


def endpoints_of(page: Page) -> list[str]:
    """List the endpoints that a price can be for, `*` not among them."""
    return [one.name for one in page.office.catalogue.priced if not one.is_free]


def read_task_fields(form: Form, catalogue: Catalogue, *, or_any: bool) -> dict[str, Any]:
    """Read the fields that tell tasks apart; `or_any`: `*` is an endpoint too.

    What its endpoint is not priced by is told beside its field.
    """
    known = {one.name: one for one in catalogue.priced}
    endpoint = form.choice("endpoint", [*known, *([ANY_ENDPOINT] if or_any else [])], must=True)
    given: dict[str, Any] = {name: form.text(name, most=WORD_MAX) for name in ("model", "mode")}
    for name in SWITCHES:
        word = form.choice(name, ON_OFF)
        given[name] = None if word is None else ON_OFF[word]
    given["duration"] = form.whole("duration", least=1, most=SECONDS_MAX)
    if endpoint in known:
        priced_by = fields_priced_by(known[endpoint].pricing)
        for name, value in given.items():
            if value is not None and not priced_by[name]:
                form.errors[name] = form.say(
                    "%(endpoint)s is not priced by this: leave it empty.", endpoint=endpoint
                )
    return {"endpoint": endpoint, **given}


def read_row(form: Form, page: Page) -> Given | None:
    """Read a whole row; None where something is wrong, which stands beside its field."""
    office = page.office
    table = read_task_fields(form, office.catalogue, or_any=True)
    table |= _read_for_whom(form) | _read_when(form, page)
    way = form.choice("way", WAYS, must=True)
    number = _number(form, "number", AMOUNT_MAX, must=True)
    is_units = way is not None and way.startswith("units")
    is_per_second = way is not None and way.endswith("per_second")
    times = _number(form, "times", TIMES_MAX)
    if times is not None and not is_units:
        if times != 1:
            form.errors["times"] = form.say("An amount is what it is: leave this empty.")
        times = None
    table["hold_seconds"] = form.whole("hold_seconds", least=1, most=SECONDS_MAX)
    table["input_floor"] = _number(form, "input_floor", TIMES_MAX)
    for name in ("hold_seconds", "input_floor"):
        if table[name] is not None and not is_per_second:
            form.errors[name] = form.say("This goes with a price per second.")
    if table["endpoint"] == ANY_ENDPOINT and way not in (None, "units", "amount"):
        form.errors["way"] = form.say("What has no row has no known length: a price for each task.")
    pack = form.choice("pack", PACKS)
    table |= {"times": times, "pack": pack if is_units else None}
    if way is not None:
        table[way] = number
    if not form.is_right:
        return None
    try:
        line = read_price(_said(table), 1, office.settings.zone, office.catalogue)
    except FileError as error:
        _refuse(page, form, error, table)
        return None
    return Given(line.one, line.tenant)


def read_key(form: Form, page: Page) -> Given | None:
    """Read for which tasks, whom and hours a row is that is to end."""
    table = read_task_fields(form, page.office.catalogue, or_any=True) | _read_for_whom(form)
    # What a row was once set for may be priced otherwise by now, or be gone.
    for name in (*OF_TASK[1:], "endpoint"):
        form.errors.pop(name, None)
    table["endpoint"] = form.text("endpoint", must=True, most=WORD_MAX)
    if not form.is_right:
        return None
    key = {name: table["duration" if name == "duration_s" else name] for name in KEY}
    try:
        of_whom = read_multiplier(
            _said({name: table[name] for name in FOR_WHOM} | {"times": Decimal(0)}),
            *(1, page.office.settings.zone),
        )
    except FileError as error:
        _refuse(page, form, error, table)
        return None
    one = of_whom.one
    return Given(PriceRow(**key, price_group=one.price_group, hours=one.hours), of_whom.tenant)


def read_times(form: Form, page: Page, *, must: bool = True) -> GivenTimes | None:
    """Read a multiplier; without `must` one that is to end, whatever it is."""
    table = _read_for_whom(form) | _read_when(form, page)
    table["times"] = _number(form, "times", TIMES_MAX, must=True) if must else Decimal(0)
    if not form.is_right:
        return None
    try:
        line = read_multiplier(_said(table), 1, page.office.settings.zone)
    except FileError as error:
        _refuse(page, form, error, table)
        return None
    return GivenTimes(line.one, line.tenant)


def fields_of(
    one: PriceRow | Multiplier, tenant: str | None, prices: Prices | None = None
) -> dict[str, str]:
    """Spell a row or a multiplier as its form has it.

    `prices`: also from when on it is to hold, as far as that is later than they are, and until
    when.
    """
    given: dict[str, object] = {
        "tenant": tenant,
        "price_group": one.price_group,
        "hours": None if one.hours is None else spelt_hours(one.hours),
    }
    if isinstance(one, Multiplier):
        given["times"] = plain(one.times)
    else:
        given |= _key_fields(one) | _price_fields(one)
    if prices is not None:
        if one.valid_from is not None and one.valid_from > prices.at:
            given["from"] = spelt_moment(one.valid_from, prices.zone)
        if one.valid_to is not None:
            given["until"] = spelt_moment(one.valid_to, prices.zone)
    return {name: str(value) for name, value in given.items() if value is not None}


def key_of(fields: Mapping[str, str]) -> dict[str, str]:
    """Keep the fields that tell a row from all others."""
    return {name: value for name, value in fields.items() if name in (*OF_TASK, *FOR_WHOM)}


def tell_as_one(form: Form) -> None:
    """Say of the form what is wrong with a field of it that nobody can type into."""
    for name in [name for name in form.errors if name in FIELDS]:
        form.errors[""] = form.errors.pop(name)


def sentence_of_no_such(error: NoSuch, form: Form) -> bool:
    """Say beside its field that there is no such tenant; False where it is about something else."""
    if error.kind != "tenant":
        return False
    form.errors["tenant"] = form.say("There is no tenant of this name.")
    return True


def _key_fields(row: PriceRow) -> dict[str, object]:
    switches = {
        name: None if (flag := getattr(row, name)) is None else ("on" if flag else "off")
        for name in SWITCHES
    }
    named = {"endpoint": row.endpoint, "model": row.model, "mode": row.mode}
    return {**named, **switches, "duration": row.duration_s}


def _price_fields(row: PriceRow) -> dict[str, object]:
    way = next(name for name, way in WAYS.items() if way == (row.kind, row.per))
    number = decimal_of(row.amount_micros or 0) if row.units is None else plain(row.units)
    return {
        "way": way,
        "number": number,
        "times": None if row.multiplier == 1 else plain(row.multiplier),
        "pack": row.pack.value if row.units is not None else None,
        "hold_seconds": row.hold_seconds,
        "input_floor": None if row.input_floor is None else plain(row.input_floor),
    }


def _read_for_whom(form: Form) -> dict[str, Any]:
    tenant, group = form.text("tenant", most=WORD_MAX), form.text("price_group", most=WORD_MAX)
    if tenant is not None and group is not None:
        form.errors["price_group"] = form.say("It is for one tenant, or for a price group.")
    hours = form.text("hours")
    if hours is not None:
        found = _HOURS.fullmatch(hours)
        begin, end = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (0 <= begin < 24 and 0 < end <= 24 and begin != end):  # noqa: PLR2004 (hours of a day)
            form.errors["hours"] = form.say("Hours such as 18-24, or 22-6 over midnight.")
        hours = f"{begin}-{end}"
    return {"tenant": tenant, "price_group": group, "hours": hours}


def _read_when(form: Form, page: Page) -> dict[str, Any]:
    zone = page.office.settings.zone
    begins, ends = (read_moment(form, name, zone) for name in WHEN)
    if begins is not None and ends is not None and ends <= begins:
        form.errors["until"] = form.say("It would end before it begins.")
    return {"from": begins, "until": ends}


def _number(form: Form, name: str, most: int, *, must: bool = False) -> Decimal | None:
    number = form.decimal(name, must=must)
    if number is None:
        return None
    if not 0 <= number <= most:
        form.errors[name] = form.say("A number from %(least)s to %(most)s.", least=0, most=most)
    elif number != number.quantize(Decimal(1).scaleb(-PLACES_MAX)):
        form.errors[name] = form.say("At most %(places)s decimal places.", places=PLACES_MAX)
    return number


def _said(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}


def _refuse(page: Page, form: Form, error: FileError, table: Mapping[str, Any]) -> None:
    """Say what the reader of files says, which is the same of all faces."""
    why = str(error).partition(": ")[2] or str(error)
    first = why.partition(" ")[0]
    form.errors[first if first in table else ""] = page.sentence(why)
