"""In which order rows of the book are listed, and by what each is found in it again.

It is said by what a row is for, from when on and for whom, so that a list that is read on page by
page tells none twice and leaves none out, whatever was set or ended meanwhile.
"""

from datetime import datetime

import msgspec

from relay.pricing.book import ALWAYS, ANY_ENDPOINT, PriceRow
from relay.pricing.validity import has_begun

ANY = -1
"""In place of what a field leaves open: before all that it may name."""
CHARS_MAX = 2000
"""Of a place as it is spelled; a model's name may be long."""


class Place(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Where a row stands among the others.

    What is to come is first, the next of it before others; then the operator's rows, those for one
    tenant before those for a group and for all; and Kling's list behind them. Of two alike what
    names less is before what names more.
    """

    is_standing: bool
    begins_us: int
    """Of what is to come, in microseconds since year 1; else 0."""
    is_official: bool
    is_of_any_endpoint: bool
    is_of_no_tenant: bool
    is_of_no_group: bool
    endpoint: str
    model: str
    mode: str
    sound: int
    voice: int
    video_input: int
    duration_s: int
    tenant_id: int
    price_group: str
    hour_from: int
    hour_to: int
    since_us: int
    until_us: int

    def spelled(self) -> str:
        return msgspec.json.encode(self).decode()


def place_of(row: PriceRow, at: datetime) -> Place:
    """Say where a row stands among those of a moment; no other one stands there."""
    is_standing = has_begun(row, at)
    since_us = _us(row.valid_from)
    return Place(
        is_standing=is_standing,
        begins_us=0 if is_standing else since_us,
        is_official=not row.is_own,
        is_of_any_endpoint=row.endpoint == ANY_ENDPOINT,
        is_of_no_tenant=row.tenant_id is None,
        is_of_no_group=row.price_group is None,
        endpoint=row.endpoint,
        model=row.model or "",
        mode=row.mode or "",
        sound=_number(row.sound),
        voice=_number(row.voice),
        video_input=_number(row.video_input),
        duration_s=_number(row.duration_s),
        tenant_id=_number(row.tenant_id),
        price_group=row.price_group or "",
        hour_from=ANY if row.hours is None else row.hours[0],
        hour_to=ANY if row.hours is None else row.hours[1],
        since_us=since_us,
        until_us=_us(row.valid_to),
    )


def read_place(spelled: str) -> Place:
    """Read where a row stood.

    Raises:
        ValueError: nothing stands there.
    """
    if len(spelled) > CHARS_MAX:
        raise ValueError("it is too long")
    return msgspec.json.decode(spelled, type=Place)


def _number(value: int | None) -> int:
    return ANY if value is None else int(value)


def _us(at: datetime | None) -> int:
    since = (at or ALWAYS) - ALWAYS
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
