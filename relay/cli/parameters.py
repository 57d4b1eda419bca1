"""What is typed on the command line, checked: amounts, multipliers, names, key pairs."""

import re
from decimal import Decimal
from typing import Any

import rich_click as click

from relay.money import micros_of

_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?")
NONE = "none"
PLACES_MAX = 6
AMOUNT_MAX = 1_000_000_000
ID = click.IntRange(1, 2**63 - 1)


def read_decimal(text: str, *, places_max: int = PLACES_MAX) -> Decimal:
    """Read a plain decimal number with at most six places, or as many as are said.

    Raises:
        ValueError: with a sentence.
    """
    if not _DECIMAL.fullmatch(text) or not text.isascii():
        raise ValueError(f"'{text}' is not a decimal number such as 100 or 0.35")
    if len(text.partition(".")[2]) > places_max:
        raise ValueError(f"'{text}' has more than {places_max} decimal places")
    value = Decimal(text)
    if abs(value) > AMOUNT_MAX:
        raise ValueError(f"'{text}' is more than {AMOUNT_MAX:,}")
    return value


class Number(click.ParamType[Any]):
    """A decimal number, at least `least` (or above it)."""

    name = "decimal"

    def __init__(
        self, *, least: int | None = None, is_above: bool = False, places_max: int = PLACES_MAX
    ) -> None:
        self._least = least
        self._is_above = is_above
        self._places_max = places_max

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Decimal):
            return value
        try:
            number = read_decimal(value, places_max=self._places_max)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if self._least is not None and (
            number < self._least or (self._is_above and number == self._least)
        ):
            word = "more than" if self._is_above else "at least"
            self.fail(f"{value} must be {word} {self._least}.", param, ctx)
        return number


class Times(Number):
    """A multiplier, or `none`."""

    name = "times"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return NONE if value == NONE else super().convert(value, param, ctx)


class Factor(Number):
    """What a sub-tenant's prices are that many times of; the desk's own bounds."""

    name = "factor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from relay.desk.errors import Unusable
        from relay.desk.sub_tenants import check_resale

        factor = super().convert(value, param, ctx)
        try:
            check_resale(factor)
        except Unusable as error:
            self.fail(f"{error}.", param, ctx)
        return factor


class Amount(Number):
    """An amount of the configured currency; converts to micros."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        return micros_of(super().convert(value, param, ctx))


class SignedAmount(Amount):
    """An amount that is not zero."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        micros = super().convert(value, param, ctx)
        if micros == 0:
            self.fail("0 changes nothing.", param, ctx)
        return micros


class Name(click.ParamType[str]):
    """A new name of a tenant or a channel, or a word that is kept as one: the desk's own rule.

    Asked here already, so that keys are not tried first for a channel that gets no name.
    """

    name = "name"

    def __init__(self, what: str = "name") -> None:
        self._what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from relay.desk.errors import Unusable
        from relay.desk.names import check_name

        try:
            check_name(str(value), what=self._what)
        except Unusable as error:
            self.fail(f"{error}.", param, ctx)
        return str(value)


class Words(click.ParamType[str]):
    """What a tenant is to read, or a reason: the desk's own rule."""

    name = "text"

    def __init__(self, what: str = "text for a tenant") -> None:
        self._what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from relay.desk.errors import Unusable
        from relay.desk.names import check_words

        try:
            check_words(str(value), what=self._what)
        except Unusable as error:
            self.fail(f"{error}.", param, ctx)
        return str(value)


class Wait(click.ParamType[int]):
    """How long a create may wait for room; converts to seconds, 0 is not to wait."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from relay.tasks.queue.wait import read_wait

        if isinstance(value, int):
            return value
        try:
            return read_wait(value)
        except ValueError as error:
            self.fail(f"'{value}' {error}.", param, ctx)


class KeyPair(click.ParamType[Any]):
    """`AK|SK`, or `-` for stdin; the key itself is never repeated in a message."""

    name = "AK|SK"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple) or value == "-":
            return value
        try:
            return read_key_pair(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def read_key_pair(text: str) -> tuple[str, str]:
    """Read `AK|SK`.

    Raises:
        ValueError: with a sentence that does not repeat the text.
    """
    parts = [part.strip() for part in text.split("|")]
    if len(parts) == 1:
        raise ValueError(
            "there is no '|' in it: write 'AK|SK' in quotes, since a shell takes an unquoted |"
            " for a pipe, or leave --key out to be asked for it"
        )
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004 (a pair)
        raise ValueError(
            f"it must be two parts, 'AK|SK', and has {len(parts)}, or one is empty"
            " (an API key goes to --api-key)"
        )
    if not all(part.isascii() and part.isprintable() for part in parts):
        raise ValueError("a key has printable ASCII characters only")
    return parts[0], parts[1]


class TasksMax(click.ParamType[Any]):
    """A number of tasks, or `none` for no limit."""

    name = "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "none":
            return value
        return click.IntRange(0, 1_000_000).convert(value, param, ctx)


class Switch(click.Choice[str]):
    """`on` or `off`, as a bool."""

    def __init__(self) -> None:
        super().__init__(["on", "off"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, bool):
            return value
        return super().convert(value, param, ctx) == "on"


class Room(click.ParamType[tuple[str, "int | None"]]):
    """`video=5` or `video/kling-v3=3`; the desk checks what it names. None without a number."""

    name = "room"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        of, equals, slots = str(value).strip().lower().partition("=")
        if not equals or not of or (slots and not (slots.isascii() and slots.isdecimal())):
            self.fail(f"'{value}' is not like video=5 or video/kling-v3=3.", param, ctx)
        return of, int(slots) if slots else None


class Ceiling(click.ParamType[tuple[str, "int | None"]]):
    """`task.refund=50`, in micros, or `task.refund=role`, as None; the desk checks the act."""

    name = "ACT=AMOUNT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        if isinstance(value, tuple):
            return value
        act, equals, amount = str(value).strip().partition("=")
        if not equals or not act:
            self.fail(f"'{value}' is not like task.refund=50 or task.refund=role.", param, ctx)
        if amount == "role":
            return act, None
        return act, Amount(least=0).convert(amount, param, ctx)
