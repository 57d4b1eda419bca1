"""The price book: rows, and which of them fits a task."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

import msgspec

from relay.kling.wanted import Wanted
from relay.kling.words import Words
from relay.money import plain

ANY_ENDPOINT = "*"
"""The operator's opt-in catch-all, tried last."""

KEY = ("endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s")
"""The fields of a row that say for which tasks it is."""
AS_PRICED = Decimal(1)
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
    source: str = "operator"

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
        values = (getattr(self, name) for name in self.__struct_fields__)
        spelt = [plain(value) if isinstance(value, Decimal) else value for value in values]
        return sha256(msgspec.json.encode(spelt)).digest()

    @property
    def closeness(self) -> int:
        """Count the key fields it names: of two rows that fit, the one that names more wins."""
        named = (self.model, self.mode, self.sound, self.voice, self.video_input, self.duration_s)
        return sum(field is not None for field in named)


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


class PriceBook:
    """The rows in force: the operator's go before the official ones, the catch-all comes last."""

    def __init__(
        self,
        operators: Iterable[PriceRow],
        official: Iterable[PriceRow],
        rises: Mapping[bytes, Decimal] = EMPTY,
    ) -> None:
        """`rises`: how many times their price rows are held, by fingerprint."""
        rows = list(operators)
        self._rises = rises
        self._operators = [row for row in rows if row.endpoint != ANY_ENDPOINT]
        self._official = list(official)
        self._catch_all = [row for row in rows if row.endpoint == ANY_ENDPOINT]
        self._found: dict[Wanted, PriceRow | None] = {}
        self._words: dict[str, Words] = {}

    def find(self, wanted: Wanted) -> PriceRow | None:
        """Find the row that prices this task, or None.

        Among rows of one kind the closest wins; of two equally close ones, the one whose named
        fields come first in the order model, mode, sound, voice, video input, duration.
        """
        if wanted not in self._found:
            if len(self._found) >= FOUND_MAX:
                self._found.clear()
            self._found[wanted] = self._search(wanted)
        return self._found[wanted]

    def _search(self, wanted: Wanted) -> PriceRow | None:
        for rows in (self._operators, self._official, self._catch_all):
            fitting = [row for row in rows if row.fits(wanted)]
            if fitting:
                return max(fitting, key=_rank)
        return None

    @property
    def rows(self) -> list[PriceRow]:
        return [*self._operators, *self._official, *self._catch_all]

    def rise(self, row: PriceRow) -> Decimal:
        """Say how many times its price a task of a row is held: 1, but where Kling took more."""
        return self._rises.get(row.fingerprint, AS_PRICED) if self._rises else AS_PRICED

    def rows_of(self, endpoint: str) -> list[PriceRow]:
        """List the rows that may price a task of one endpoint."""
        return [row for row in self.rows if row.endpoint in (endpoint, ANY_ENDPOINT)]

    def words(self, endpoint: str) -> Words:
        """Collect what those rows name."""
        if endpoint not in self._words:
            self._words[endpoint] = words_of(self.rows_of(endpoint))
        return self._words[endpoint]


def _rank(row: PriceRow) -> tuple[int, ...]:
    named = (row.model, row.mode, row.sound, row.voice, row.video_input, row.duration_s)
    return (row.closeness, *(field is not None for field in named))
