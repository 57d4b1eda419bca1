"""The price book: rows, and which of them fits a task."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

import msgspec

from relay.kling.wanted import Wanted
from relay.kling.words import Words
from relay.money import plain
from relay.pricing.validity import Hours

ANY_ENDPOINT = "*"
"""The operator's opt-in catch-all, tried last."""

KEY = ("endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s")
"""The fields of a row that say for which tasks it is."""
PRICED: tuple[str, ...] = (
    *("endpoint", "kind", "per", "units", "amount_micros", "pack"),
    *KEY[1:],
    *("multiplier", "hold_seconds", "input_floor"),
)
"""The fields that say for what and how much."""
OPERATOR = "operator"
AS_PRICED = Decimal(1)
ALWAYS = datetime.min.replace(tzinfo=UTC)
"""Before all that was ever set."""
EMPTY: Mapping[bytes, Decimal] = MappingProxyType({})
FOUND_MAX = 10_000
"""Answers that a book remembers; tenants ask for the same few kinds of task again and again."""


class PriceKind(StrEnum):
    """How a row prices a task."""

    UNITS = "units"
    """units x the pack's unit price x multipliers; settled by Kling's deduction."""
    FIXED = "fixed"
    """Micros per task or second, no multiplier; settled by the quote or the billed seconds."""


class Per(StrEnum):
    """What a row's number is for."""

    TASK = "task"
    SECOND = "second"
    IMAGE = "image"


class Pack(StrEnum):
    """Which of Kling's resource packs a unit is of; their units differ in price."""

    VIDEO = "video"
    IMAGE = "image"


class PriceRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row; a key field that is None fits anything."""

    endpoint: str
    kind: PriceKind = PriceKind.UNITS
    per: Per = Per.SECOND
    units: Decimal | None = None
    amount_micros: int | None = None
    pack: Pack = Pack.VIDEO
    model: str | None = None
    mode: str | None = None
    sound: bool | None = None
    voice: bool | None = None
    video_input: bool | None = None
    duration_s: int | None = None
    multiplier: Decimal = Decimal(1)
    hold_seconds: int | None = None
    """What to hold for when Kling decides the length; None is the most it can be."""
    input_floor: Decimal | None = None
    """Of a row per second: bills the seconds of input videos too, and in all at least this many
    times the output's; None bills the output alone."""
    source: str = OPERATOR
    """Whose it is, for people: the operator's, or Kling's list of a day."""
    tenant_id: int | None = None
    """For this tenant alone; at most one of this and `price_group`."""
    price_group: str | None = None
    """For the tenants that stand in it."""
    valid_from: datetime | None = None
    """When it begins, or has begun; None is always, and of a row that is to be set: now."""
    valid_to: datetime | None = None
    """The first moment behind it; None is for good."""
    hours: Hours | None = None
    """Of the day, in the relay's time zone; None is all day."""

    def fits(self, wanted: Wanted) -> bool:
        return (
            self.endpoint in (wanted.endpoint, ANY_ENDPOINT)
            and self.model in (None, wanted.model)
            and self.mode in (None, wanted.mode)
            and self.sound in (None, bool(wanted.sound))
            and self.voice in (None, bool(wanted.voice))
            and self.video_input in (None, bool(wanted.video_input))
            and self.duration_s in (None, wanted.seconds)
        )

    @property
    def fingerprint(self) -> bytes:
        """Tell it from any other row, and from itself with another price."""
        values = (getattr(self, name) for name in (*PRICED, "source"))
        spelt = [plain(value) if isinstance(value, Decimal) else value for value in values]
        if self.tenant_id is not None or self.price_group is not None:
            spelt += [self.tenant_id, self.price_group]
        return sha256(msgspec.json.encode(spelt)).digest()

    @property
    def is_own(self) -> bool:
        """Tell the operator's rows from those of Kling's list."""
        return self.source == OPERATOR

    @property
    def closeness(self) -> int:
        """Count the key fields it names: of two rows that fit, the one that names more wins."""
        named = (self.model, self.mode, self.sound, self.voice, self.video_input, self.duration_s)
        return sum(field is not None for field in named)


class Multiplier(msgspec.Struct, frozen=True):
    """What prices in units are multiplied by: for a tenant, a price group, or (both None) all."""

    times: Decimal
    tenant_id: int | None = None
    price_group: str | None = None
    valid_from: datetime | None = None
    """When it begins, or has begun; None is now, of one that is to be set."""
    valid_to: datetime | None = None
    hours: Hours | None = None


FREE = PriceRow(
    endpoint=ANY_ENDPOINT,
    kind=PriceKind.FIXED,
    per=Per.TASK,
    amount_micros=0,
    source="free of charge",
)
"""Of endpoints that Kling charges nothing for."""


def words_of(rows: Iterable[PriceRow]) -> Words:
    """Collect what rows name, in the order of the rows."""
    listed = list(rows)
    return Words(
        models=tuple(dict.fromkeys(row.model for row in listed if row.model)),
        modes=tuple(dict.fromkeys(row.mode for row in listed if row.mode)),
        lengths=frozenset(row.duration_s for row in listed if row.duration_s),
    )


class Layer(msgspec.Struct, frozen=True):
    """Rows that are tried together, before or after all others."""

    of: str
    """Whose they are, for people."""
    rows: Sequence[PriceRow]

    def in_order(self) -> list[PriceRow]:
        """List them as they are tried."""
        return _in_order(self.rows)


class PriceBook:
    """The rows that price one tenant's tasks, at one moment, and its multiplier.

    All of a tenant's own go first, then its group's, then those for all, then the official list;
    what is set for any endpoint comes last, in the same order (docs/prices.md, "Which row").
    """

    def __init__(
        self,
        operators: Iterable[PriceRow],
        official: Iterable[PriceRow],
        rises: Mapping[bytes, Decimal] = EMPTY,
        *,
        of_group: Iterable[PriceRow] = (),
        of_tenant: Iterable[PriceRow] = (),
        multiplier: Decimal = AS_PRICED,
        multiplies_amounts: bool = False,
    ) -> None:
        """`rises`: how many times their price rows are held, by fingerprint."""
        self._rises = rises
        self.multiplier = multiplier
        self.multiplies_amounts = multiplies_amounts
        whose = {"the tenant's": of_tenant, "its group's": of_group, "for all": operators}
        set_ = {name: list(rows) for name, rows in whose.items()}
        named = (
            Layer(name, [row for row in rows if row.endpoint != ANY_ENDPOINT])
            for name, rows in set_.items()
        )
        for_any = (
            Layer(f"{name}, of any endpoint", [row for row in rows if row.endpoint == ANY_ENDPOINT])
            for name, rows in set_.items()
        )
        layers = [*named, Layer("Kling's list", list(official)), *for_any]
        self._layers = [layer for layer in layers if layer.rows]
        self._found: dict[Wanted, PriceRow | None] = {}
        self._words: dict[str, Words] = {}

    def find(self, wanted: Wanted) -> PriceRow | None:
        """Find the row that prices this task, or None.

        Among rows of one kind the closest wins; of two equally close ones, the one whose named
        fields come first in the order model, mode, sound, voice, video input, duration; of one key,
        the one for some hours before the one for all day, and then the one that began last.
        """
        if wanted not in self._found:
            if len(self._found) >= FOUND_MAX:
                self._found.clear()
            self._found[wanted] = self._search(wanted)
        return self._found[wanted]

    def _search(self, wanted: Wanted) -> PriceRow | None:
        for layer in self._layers:
            fitting = [row for row in layer.rows if row.fits(wanted)]
            if fitting:
                return _in_order(fitting)[0]
        return None

    def fitting(self, wanted: Wanted) -> list[Layer]:
        """List the rows that fit a task as they are tried: the first of the first prices it."""
        layers = (
            Layer(layer.of, _in_order(row for row in layer.rows if row.fits(wanted)))
            for layer in self._layers
        )
        return [layer for layer in layers if layer.rows]

    @property
    def layers(self) -> Sequence[Layer]:
        """Rows as they are tried: all of one before all of the next."""
        return self._layers

    @property
    def rows(self) -> list[PriceRow]:
        return [row for layer in self._layers for row in layer.rows]

    def rise(self, row: PriceRow) -> Decimal:
        """Say how many times its price a task of a row is held: 1, but where Kling took more."""
        return self._rises.get(row.fingerprint, AS_PRICED) if self._rises else AS_PRICED

    def has(self, name: str) -> bool:
        """Tell whether something has a row of its own."""
        return any(row.endpoint == name for row in self.rows)

    def rows_of(self, endpoint: str) -> list[PriceRow]:
        """List the rows that may price a task of one endpoint."""
        return [row for row in self.rows if row.endpoint in (endpoint, ANY_ENDPOINT)]

    def words(self, endpoint: str) -> Words:
        """Collect what those rows name."""
        if endpoint not in self._words:
            self._words[endpoint] = words_of(self.rows_of(endpoint))
        return self._words[endpoint]


def _in_order(rows: Iterable[PriceRow]) -> list[PriceRow]:
    """Put rows that fit in the order in which they are taken; of equals the later one, as read."""
    ordered = list(rows)[::-1]
    ordered.sort(key=_rank, reverse=True)
    return ordered


def _rank(row: PriceRow) -> tuple[int, tuple[bool, ...], bool, datetime]:
    named = (row.model, row.mode, row.sound, row.voice, row.video_input, row.duration_s)
    is_named = tuple(field is not None for field in named)
    return (row.closeness, is_named, row.hours is not None, row.valid_from or ALWAYS)
