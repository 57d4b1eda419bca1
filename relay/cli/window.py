"""Moments that a person gives for a list: as lists print them, shorter, or so long ago."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import rich_click as click

from relay.months import Month, read_month

_LENGTH = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SPELT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


class Span(NamedTuple):
    """All that a moment stands for as it was spelt: a day, a minute, a second, a millisecond."""

    start: datetime
    until: datetime
    """The first moment behind it."""


class Moment(click.ParamType[Span]):
    """A moment in UTC or with its offset; it covers what it leaves open.

    So a row that a list shows at T is found from T on and up to T.
    """

    name = "moment"

    def zone(self) -> tzinfo:
        """Say whose a moment without an offset is."""
        return UTC

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        if isinstance(value, Span):
            return value
        try:
            return read_span(str(value), now=datetime.now(UTC), zone=self.zone())
        except (ValueError, OverflowError):
            self.fail(
                f"'{value}' is no moment such as 2026-11-26, '2026-11-26 17:02:08Z' or 3h (ago).",
                param,
                ctx,
            )


class LocalSpan(Moment):
    """A moment of the relay's own days, or with its offset, or so long ago."""

    def zone(self) -> tzinfo:
        from relay.cli.database import current_settings

        return current_settings().zone


class Day(click.ParamType[date]):
    """A day, by the operator's own calendar."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(str(value), "%Y-%m-%d").date()  # noqa: DTZ007 (a day)
        except ValueError:
            self.fail(f"'{value}' is no day such as 2026-11-26.", param, ctx)


class OneMonth(click.ParamType[Month]):
    """A month, by the operator's own calendar."""

    name = "month"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Month:
        if isinstance(value, Month):
            return value
        try:
            return read_month(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Later(click.ParamType[datetime]):
    """A moment in UTC or with its offset, or how long from now."""

    name = "moment"

    def zone(self) -> tzinfo:
        """Say whose a moment without an offset is."""
        return UTC

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        try:
            if span := _LENGTH.fullmatch(str(value)):
                return now + int(span[1]) * _UNITS[span[2]]
            return read_span(str(value), now=now, zone=self.zone()).start
        except (ValueError, OverflowError):
            self.fail(
                f"'{value}' is no moment such as 2026-11-26, '2026-11-26 17:02Z' or 3h (from now).",
                param,
                ctx,
            )


class LocalMoment(Later):
    """A moment of the relay's own days, or with its offset, or how long from now."""

    def zone(self) -> tzinfo:
        from relay.cli.database import current_settings

        return current_settings().zone


def read_span(spelt: str, *, now: datetime, zone: tzinfo = UTC) -> Span:
    """Read a moment with all that it covers; `zone`: whose it is without an offset.

    Raises:
        ValueError, OverflowError: it is none.
    """
    if ago := _LENGTH.fullmatch(spelt):
        at = now - int(ago[1]) * _UNITS[ago[2]]
        return Span(at, at)
    found = _SPELT.fullmatch(spelt)
    if found is None:
        raise ValueError(spelt)
    day, minute, second, fraction, offset = found.groups()
    if fraction and not second:
        raise ValueError(spelt)
    start = datetime.fromisoformat(
        f"{day}T{minute or '00:00'}{second or ':00'}{_six_places(fraction)}{offset or ''}"
    )
    if offset is None:
        start = start.replace(tzinfo=zone).astimezone(UTC)
    if fraction:
        covered = timedelta(microseconds=10 ** (7 - len(fraction)))
    elif second:
        covered = timedelta(seconds=1)
    else:
        covered = timedelta(minutes=1) if minute else timedelta(days=1)
    return Span(start, start + covered)


def _six_places(fraction: str | None) -> str:
    return fraction.ljust(7, "0") if fraction else ""
