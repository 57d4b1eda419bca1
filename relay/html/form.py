"""What a visitor sent in a form: read field by field, with what is wrong beside its field."""

from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from relay.form_keys import FIELD, is_key
from relay.money import MICROS, PLACES

CSRF = "csrf"
SHOWN_ANEW = "shown-anew"
"""The field of a form that was kept over a login: it is shown, and nothing of it done."""
SECRET = frozenset(
    (
        *("password", "again", "current", "code", "secret", "sealed", "key"),
        *("access_key", "secret_key", "api_key", "webhook_secret"),
    )
)
"""Fields that no page keeps or carries along."""
AMOUNT_MAX = Decimal(10) ** 12
"""Of the currency: above it somebody leant on a key."""
WHOLE_MAX = 2**31 - 1
EXPONENT_MAX = 40
"""Of a number, either way. Python writes `1e999999999` out digit by digit where it is made whole,
and the process stands still for it."""

Say = Callable[..., str]


class Form(msgspec.Struct):
    """Fields as they were sent, so that a form that is shown again keeps what was typed."""

    say: Say
    """Translates."""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    lists: dict[str, list[str]] = msgspec.field(default_factory=dict)
    errors: dict[str, str] = msgspec.field(default_factory=dict)
    """By field; under the empty name, of the whole form."""
    is_shown_anew: bool = False
    """It was kept over a login."""

    @property
    def is_right(self) -> bool:
        return not self.errors

    @property
    def key(self) -> str | None:
        """Its own, under which it is done once; None where it has none."""
        given = self.values.get(FIELD, "")
        return given if is_key(given) else None

    @property
    def has_secret(self) -> bool:
        return any(self.values.get(name) for name in SECRET)

    def take(self, name: str, value: str) -> None:
        """Take a field as it was sent."""
        if name == SHOWN_ANEW:
            self.is_shown_anew = True
            self.errors[""] = self.say(
                "You were logged out when you sent this, and nothing was done. Look it through, and"
                " send it again; a password or a file has to be given again."
            )
        elif name != CSRF:
            self.values.setdefault(name, value)
            self.lists.setdefault(name, []).append(value)

    def text(self, name: str, *, must: bool = False, most: int = 500) -> str | None:
        """Read a line or a paragraph; None where nothing was typed."""
        given = self.values.get(name, "").strip()
        if must and not given:
            self.errors[name] = self.say("Fill this in.")
        if len(given) > most or "\0" in given:
            self.errors[name] = self.say("At most %(most)s characters.", most=most)
        return given or None

    def choice(self, name: str, among: Collection[str], *, must: bool = False) -> str | None:
        """Read what was chosen of a list."""
        given = self.text(name, must=must)
        if given is not None and given not in among:
            self.errors[name] = self.say("Choose one of the list.")
            return None
        return given

    def is_checked(self, name: str) -> bool:
        return bool(self.values.get(name))

    def chosen(self, name: str) -> list[str]:
        """Read all that was chosen under one name."""
        return [given for given in self.lists.get(name, []) if given]

    def amount(self, name: str, *, must: bool = False, signed: bool = False) -> int | None:
        """Read an amount of the currency as micros; at most six places, so that none is lost."""
        given = self.text(name, must=must)
        if given is None:
            return None
        number = self._decimal(name, given)
        if number is None:
            return None
        micros = number * MICROS
        if micros != micros.to_integral_value():
            self.errors[name] = self.say("At most %(places)s decimal places.", places=PLACES)
            return None
        if abs(number) > AMOUNT_MAX or (number < 0 and not signed):
            self.errors[name] = self.say("An amount such as 12.50.")
            return None
        return int(micros)

    def decimal(self, name: str, *, must: bool = False) -> Decimal | None:
        given = self.text(name, must=must)
        return None if given is None else self._decimal(name, given)

    def whole(
        self, name: str, *, least: int = 0, most: int = WHOLE_MAX, must: bool = False
    ) -> int | None:
        """Read a whole number."""
        given = self.text(name, must=must)
        if given is None:
            return None
        is_number = given.isascii() and given.isdigit()
        digits = given.lstrip("0") or "0"
        if not is_number or len(digits) > len(str(most)) or not least <= int(digits) <= most:
            self.errors[name] = self.say(
                "A whole number from %(least)s to %(most)s.", least=least, most=most
            )
            return None
        return int(digits)

    def _decimal(self, name: str, given: str) -> Decimal | None:
        try:
            number = Decimal(given.replace(" ", "").replace("\u00a0", ""))
        except InvalidOperation:
            number = Decimal("NaN")
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or abs(exponent) > EXPONENT_MAX:
            self.errors[name] = self.say("A number such as 12.50.")
            return None
        return number


async def read_form(request: Any, say: Say) -> Form:
    """Read what was sent, once; files are none of these pages'."""
    form = Form(say)
    for name, value in (await request.form()).multi_items():
        if isinstance(value, str):
            form.take(name, value)
    return form
