"""How pages spell money, numbers and moments, for a reader of one language in one zone."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

import msgspec
from babel.core import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup, escape

from relay.money import MICROS

CODE = re.compile(r"`([^`]+)`")
NONE = "\u2013"
"""For what is not there."""
MINUTE_S, HOUR_S = 60, 3600
BYTES_UNITS = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000


class Speller(msgspec.Struct, frozen=True):
    """Of one reader."""

    locale: Locale
    zone: tzinfo
    currency: str

    def number(self, value: Decimal | float | None) -> str:
        return NONE if value is None else format_decimal(value, locale=self.locale)

    def exactly(self, value: Decimal | None) -> str:
        """Spell a number with all of its places, which `number` rounds to three."""
        return NONE if value is None else format_decimal(value, "#,##0.######", locale=self.locale)

    def percent(self, share: float | None) -> str:
        return NONE if share is None else format_percent(share, "#,##0.#%", locale=self.locale)

    def amount(self, micros: int | None) -> str:
        """Spell an amount exactly, without its currency: at least two places, at most six."""
        if micros is None:
            return NONE
        exact = Decimal(micros) / MICROS
        return format_decimal(exact, "#,##0.00####", locale=self.locale)

    def unrounded(self, micros: Decimal) -> str:
        """Spell what is finer than a micro, such as a price per second."""
        return format_decimal(micros / MICROS, "#,##0.00##########", locale=self.locale)

    def signed(self, micros: int) -> str:
        """Spell what was added or taken, with its sign."""
        return f"+{self.amount(micros)}" if micros > 0 else self.amount(micros)

    def money(self, micros: int | None) -> str:
        return NONE if micros is None else f"{self.amount(micros)} {self.currency}"

    def exact(self, moment: datetime) -> str:
        """Spell a moment to the second, with its zone."""
        local = moment.astimezone(self.zone)
        return format_datetime(local, "yyyy-MM-dd HH:mm:ss ZZZZZ", locale=self.locale)

    def minute(self, moment: datetime) -> str:
        """Spell a moment that somebody set: to the minute, and finer only where it is."""
        local = moment.astimezone(self.zone)
        pattern = "yyyy-MM-dd HH:mm:ss" if local.second else "yyyy-MM-dd HH:mm"
        return format_datetime(local, pattern, locale=self.locale)

    def clock(self, moment: datetime) -> str:
        return format_time(moment.astimezone(self.zone), "HH:mm:ss", locale=self.locale)

    def day(self, moment: datetime) -> str:
        return format_date(moment.astimezone(self.zone), "medium", locale=self.locale)

    def ago(self, moment: datetime, now: datetime) -> str:
        """Spell how long ago it was, or how long it is until then."""
        return format_timedelta(moment - now, add_direction=True, locale=self.locale)

    def when(self, moment: datetime | None, now: datetime | None = None) -> Markup:
        """Spell a moment as it is from now, with the exact one to be seen on hovering."""
        if moment is None:
            return escape(NONE)
        template = Markup('<time datetime="{}" title="{}">{}</time>')
        return template.format(
            moment.astimezone(UTC).isoformat(timespec="seconds"),
            self.exact(moment),
            self.ago(moment, now or datetime.now(UTC)),
        )

    def lasting(self, seconds: float | timedelta | None) -> str:
        """Spell a length of time shortly: 42 s, 3:05 min, 2:10:00 h."""
        if seconds is None:
            return NONE
        if isinstance(seconds, timedelta):
            seconds = seconds.total_seconds()
        whole = round(seconds)
        if whole < MINUTE_S:
            return f"{self.number(round(seconds, 1) if seconds < 10 else whole)} s"  # noqa: PLR2004
        minutes, rest = divmod(whole, MINUTE_S)
        if whole < HOUR_S:
            return f"{minutes}:{rest:02} min"
        hours, minutes = divmod(minutes, MINUTE_S)
        return f"{hours}:{minutes:02}:{rest:02} h"

    def coded(self, text: str) -> Markup:
        """Spell a sentence of Markdown: what stands between backticks as code."""
        return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped)

    def size(self, number: float) -> str:
        """Spell a number of bytes."""
        for unit in BYTES_UNITS[:-1]:
            if number < THOUSAND:
                return f"{self.number(round(number, 1))} {unit}"
            number /= THOUSAND
        return f"{self.number(round(number, 1))} {BYTES_UNITS[-1]}"
