"""What tenants pay: rows, multipliers, Kling's list, and all of it at once as a file."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import Count, Moment, Name, Number, refuse_naive
from relay.admin.lists import Listing, answer_whole
from relay.admin.problems import WrongField
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.multipliers import end_multiplier, set_multiplier
from relay.desk.office import Office
from relay.desk.price_files import compare_file, import_prices
from relay.desk.prices import adopt_list, remove_price, say_amounts, set_price
from relay.desk.shown_prices import (
    ShownDifference,
    ShownMultiplier,
    ShownPrice,
    shown_difference,
    shown_multiplier,
    shown_price,
)
from relay.kling.wanted import Wanted
from relay.pricing.book import KEY, Multiplier, Pack, PriceRow
from relay.pricing.file import (
    FileError,
    PriceFile,
    read_file,
    read_multiplier,
    read_price,
    spell_file,
)
from relay.pricing.in_force import read_prices
from relay.pricing.lists import OFFERED, read_adopted
from relay.pricing.missing import read_missing
from relay.pricing.prices import read_rows
from relay.tenants.read import names_by_id, read_tenants

FILE_CHARS_MAX = 5_000_000
DECIMALS = (
    *("units_per_second", "units", "units_per_image", "amount_per_second", "amount"),
    *("amount_per_image", "times", "input_floor"),
)


class ForWhom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing: for all, from now on, for good and all day."""

    tenant: Name | None = None
    price_group: Name | None = None
    hours: str | None = None
    """Of the day, in the relay's time zone: `18-24`, or `22-6` over midnight."""


class PriceKey(ForWhom, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field that is null fits anything."""

    endpoint: Name
    """`*` is whatever has no row."""
    model: Name | None = None
    mode: Name | None = None
    sound: bool | None = None
    voice: bool | None = None
    video_input: bool | None = None
    duration: Count | None = None


class NewPrice(PriceKey, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of the units and amounts; amounts in the currency, as text."""

    units_per_second: Number | None = None
    units: Number | None = None
    units_per_image: Number | None = None
    amount_per_second: Number | None = None
    amount: Number | None = None
    amount_per_image: Number | None = None
    times: Number | None = None
    pack: Pack | None = None
    hold_seconds: Count | None = None
    input_floor: Number | None = None
    begins: Moment | None = msgspec.field(name="from", default=None)
    ends: Moment | None = msgspec.field(name="until", default=None)


class PriceEnd(PriceKey, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: Moment | None = None
    """Null is now."""


class NewMultiplier(ForWhom, frozen=True, kw_only=True, forbid_unknown_fields=True):
    times: Number
    begins: Moment | None = msgspec.field(name="from", default=None)
    ends: Moment | None = msgspec.field(name="until", default=None)


class MultiplierEnd(ForWhom, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: Moment | None = None


class Adoption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instead_of: Name
    """The list that you have seen to be in force."""


class Amounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    are_multiplied: bool


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    toml: str
    """As `GET /prices/file` has it: the whole; what is not in it ends."""


class PriceList(msgspec.Struct, frozen=True):
    official_list: str
    """The list of Kling's that is in force."""
    brought_list: str
    """The one that this version brings."""
    multiplies_amounts: bool
    prices: list[ShownPrice]
    multipliers: list[ShownMultiplier]


class Missed(msgspec.Struct, frozen=True):
    wanted: Wanted
    times: int
    first_at: datetime
    last_at: datetime


class MissedList(msgspec.Struct, frozen=True):
    missing: list[Missed]


class MultiplierList(msgspec.Struct, frozen=True):
    multipliers: list[ShownMultiplier]


class Ended(msgspec.Struct, frozen=True):
    is_ended: bool = True


class PricesOf(Controller):
    path = "/admin/v1/prices"
    tags = ("Prices",)

    @get(**reads("price.read", streams=True))
    async def list_prices(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        endpoint: FromQuery[str | None] = None,
        at: FromQuery[datetime | None] = None,
        history: FromQuery[bool] = False,
    ) -> Response[PriceList]:
        """List the rows in force, yours first, yours to come, and the multipliers; as of a moment.

        `history`: every row that you ever set, and until when it held. As CSV and JSON lines: the
        rows; the multipliers are at `/multipliers`.
        """
        refuse_naive(at=at)
        async with office.reading() as session:
            prices = await read_prices(session, office.settings.zone, at=at)
            adopted = (await read_adopted(session)).name
            own = [*prices.standing_rows, *prices.coming_rows]
            rows = await read_rows(session) if history else own
            times = [*prices.standing_multipliers, *prices.coming_multipliers]
            dated: list[PriceRow | Multiplier] = [*rows, *times]
            ids = {one.tenant_id for one in dated if one.tenant_id is not None}
            names = await names_by_id(session, ids)
        book = prices.book()
        official = [] if history else [row for row in book.rows if not row.is_own]
        shown = [
            shown_price(row, book.rise(row), names)
            for row in (*rows, *official)
            if endpoint in (None, row.endpoint)
        ]
        found = PriceList(
            *(adopted, OFFERED.name, bool(prices.multiplies_amounts), shown),
            [shown_multiplier(one, names) for one in times],
        )
        return answer_whole(listing, found, shown, ShownPrice)

    @get("/missing", **reads("price.read", streams=True))
    async def missing(
        self, office: NamedDependency[Office], listing: NamedDependency[Listing]
    ) -> Response[MissedList]:
        """List what tenants asked for and were refused, and what still has no price."""
        async with office.reading() as session:
            found = await read_missing(session, office.settings.zone)
        missed = [Missed(one.wanted, one.times, one.first_at, one.last_at) for one in found]
        return answer_whole(listing, MissedList(missed), missed, Missed)

    @post(**acts("price.set", 404))
    async def set(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewPrice]
    ) -> Response[ShownPrice]:
        """Put a price in force, now or from a moment on; your row with the same key ends then."""
        line = _read(read_price, data, desk.office.settings.zone, desk.office.catalogue)

        async def work(session: AsyncSession, actor: Actor) -> ShownPrice:
            stored = await set_price(session, actor, line.one, tenant=line.tenant)
            names = {} if stored.tenant_id is None else {stored.tenant_id: line.tenant or ""}
            return shown_price(stored, names=names)

        return await desk.act(work, status=201)

    @post("/end", **acts("price.remove", 404))
    async def end(self, desk: NamedDependency[AtDesk], data: JSONBody[PriceEnd]) -> Response[Ended]:
        """End your row with exactly this key, whom and hours; official rows stay."""
        row = _row_of(data, desk.office)

        async def work(session: AsyncSession, actor: Actor) -> Ended:
            await remove_price(session, actor, row, tenant=data.tenant, at=data.at)
            return Ended()

        return await desk.act(work, status=201)

    @post("/adopt", **acts("price.adopt"))
    async def adopt(
        self, desk: NamedDependency[AtDesk], data: JSONBody[Adoption]
    ) -> Response[Ended]:
        """Price by the list of Kling's that this version of the relay brings."""

        async def work(session: AsyncSession, actor: Actor) -> Ended:
            await adopt_list(session, actor, instead_of=data.instead_of)
            return Ended()

        return await desk.act(work, status=201)

    @put("/amounts", **acts("price.amounts"))
    async def amounts(
        self, desk: NamedDependency[AtDesk], data: JSONBody[Amounts]
    ) -> Response[Amounts]:
        """Say, once for all rows, whether multipliers apply to those with an amount."""

        async def work(session: AsyncSession, actor: Actor) -> Amounts:
            await say_amounts(session, actor, are_multiplied=data.are_multiplied)
            return data

        return await desk.act(work)

    @get("/file", **reads("price.read"))
    async def file(self, office: NamedDependency[Office]) -> File:
        """Write all your prices and multipliers, in force and to come, as a file of TOML."""
        async with office.reading() as session:
            names = {row.id: row.name for row in await read_tenants(session)}
            return File(spell_file(await read_prices(session, office.settings.zone), names))

    @post("/file/difference", **reads("price.read"), status_code=200)
    async def compare(
        self, office: NamedDependency[Office], data: JSONBody[File]
    ) -> ShownDifference:
        """Show what putting a file in force would end and add; nothing is changed."""
        file = read_prices_file(data.toml, office)
        async with office.reading() as session:
            return shown_difference(*await compare_file(session, file))

    @put("/file", **acts("price.import"))
    async def import_file(
        self, desk: NamedDependency[AtDesk], data: JSONBody[File]
    ) -> Response[ShownDifference]:
        """Put a file in force, in place of all prices and multipliers that there are."""
        file = read_prices_file(data.toml, desk.office)

        async def work(session: AsyncSession, actor: Actor) -> ShownDifference:
            names = {row.id: row.name for row in await read_tenants(session)}
            return shown_difference(await import_prices(session, actor, file), names)

        return await desk.act(work)


class Multipliers(Controller):
    path = "/admin/v1/multipliers"
    tags = ("Prices",)

    @get(**reads("price.read", streams=True))
    async def list_multipliers(
        self, office: NamedDependency[Office], listing: NamedDependency[Listing]
    ) -> Response[MultiplierList]:
        """List the multipliers in force, and those to come."""
        async with office.reading() as session:
            prices = await read_prices(session, office.settings.zone)
            found = [*prices.standing_multipliers, *prices.coming_multipliers]
            ids = {one.tenant_id for one in found if one.tenant_id is not None}
            names = await names_by_id(session, ids)
        shown = [shown_multiplier(one, names) for one in found]
        return answer_whole(listing, MultiplierList(shown), shown, ShownMultiplier)

    @post(**acts("multiplier.set", 404))
    async def set(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewMultiplier]
    ) -> Response[ShownMultiplier]:
        """Multiply what is priced in units: for all, a price group or a tenant."""
        line = _read(read_multiplier, data, desk.office.settings.zone)

        async def work(session: AsyncSession, actor: Actor) -> ShownMultiplier:
            await set_multiplier(session, actor, line.one, tenant=line.tenant)
            shown = shown_multiplier(line.one)
            return msgspec.structs.replace(shown, tenant=line.tenant)

        return await desk.act(work, status=201)

    @post("/end", **acts("multiplier.end", 404))
    async def end(
        self, desk: NamedDependency[AtDesk], data: JSONBody[MultiplierEnd]
    ) -> Response[Ended]:
        """End a multiplier, now or later."""
        named = NewMultiplier(times="0", **_fields(data, "at"))
        one: Multiplier = _read(read_multiplier, named, desk.office.settings.zone).one

        async def work(session: AsyncSession, actor: Actor) -> Ended:
            await end_multiplier(session, actor, one, tenant=data.tenant, at=data.at)
            return Ended()

        return await desk.act(work, status=201)


def _fields(data: msgspec.Struct, *but: str) -> dict[str, Any]:
    return {name: v for name, v in msgspec.structs.asdict(data).items() if name not in but}


def _row_of(data: PriceKey, office: Office) -> PriceRow:
    """Make a row with this key, whatever it costs: what an endpoint had may outlive it."""
    named = {name: getattr(data, "duration" if name == "duration_s" else name) for name in KEY}
    only = NewMultiplier(times="0", hours=data.hours)
    hours = _read(read_multiplier, only, office.settings.zone).one.hours
    return PriceRow(**named, price_group=data.price_group, hours=hours)


def _read(read: Any, data: msgspec.Struct, *of: Any) -> Any:
    """Read one row as a file has it; its sentences are the file's."""
    table = {
        name: Decimal(value) if name in DECIMALS and value is not None else value
        for name, value in zip(
            data.__struct_encode_fields__, msgspec.structs.astuple(data), strict=True
        )
    }
    try:
        return read(table, 1, *of)
    except FileError as error:
        why = str(error).partition(": ")[2] or str(error)
        first = why.partition(" ")[0]
        raise WrongField(first if first in table else "", why) from error


def read_prices_file(toml: str, office: Office) -> PriceFile:
    """Read a file of prices; its sentences name the row."""
    if len(toml) > FILE_CHARS_MAX:
        raise WrongField("toml", f"it has more than {FILE_CHARS_MAX:,} characters")
    try:
        return read_file(toml, office.settings.zone, office.catalogue)
    except FileError as error:
        raise WrongField("toml", str(error)) from error
