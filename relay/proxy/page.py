"""Cursor pages of 2.0 and of the billing records: what is asked for, and how a page is spelt.

Source: docs/kling-api.md 4.16 and 5.5. A cursor is our own and says nothing to others: the id of
the last row shown.
"""

from datetime import datetime
from typing import Any

import msgspec

from relay.errors import InvalidParameter
from relay.kling.body import decode_field
from relay.kling.endpoint import Generation
from relay.kling.wire import Fields
from relay.moments import MS_MAX, moment_after, moment_of

LIMIT_DEFAULT, LIMIT_MAX = 100, 500


class Page(msgspec.Struct, frozen=True):
    """One page that is asked for."""

    start: datetime
    until: datetime
    """The first moment behind its window."""
    before_id: int
    """Rows with a smaller id, newest first."""
    limit: int
    filters: dict[str, frozenset[str]]


def read_page(fields: Fields, generation: Generation = Generation.NEW) -> Page:
    """Read a page's body.

    The solutions' page differs: a limit is 500 by default, and 1 where it is below.

    Raises:
        InvalidParameter: names the field.
    """
    return Page(
        start=moment_of(_ms(fields, "start_time", 0)),
        until=moment_after(_ms(fields, "end_time", MS_MAX)),
        before_id=_cursor(fields),
        limit=_limit(fields, is_solution=generation is Generation.SOLUTIONS),
        filters=_filters(fields),
    )


def spell_page(rows: list[bytes], *, name: str, last_id: int | None, has_more: bool) -> bytes:
    """Spell `data`; an empty page has no list, as Kling's has none (docs/kling-api.md 5.5)."""
    if not rows:
        return b'{"count":0,"has_more":false}'
    cursor = str(last_id) if has_more and last_id is not None else ""
    return b'{"%b":[%b],"count":%d,"next_cursor":"%b","has_more":%b}' % (
        name.encode(),
        b",".join(rows),
        len(rows),
        cursor.encode(),
        b"true" if has_more else b"false",
    )


def read_ms(name: str, text: object, default_ms: int) -> int:
    """Read milliseconds, as a number or a string: the vendor's pages show both."""
    if text is None or text == "":
        text = default_ms
    spelt = str(text)
    number = int(spelt) if spelt.isascii() and spelt.isdigit() and len(spelt) < 16 else -1  # noqa: PLR2004
    if isinstance(text, bool) or not 0 <= number <= MS_MAX:
        raise InvalidParameter(name, "must be a time in milliseconds")
    return number


def _ms(fields: Fields, name: str, default_ms: int) -> int:
    return read_ms(name, _value(fields, name), default_ms)


def _cursor(fields: Fields) -> int:
    value = _value(fields, "cursor")
    if value is None or value == "":
        return 2**63 - 1
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 18:  # noqa: PLR2004
        raise InvalidParameter("cursor", "is not one of ours")
    return int(value)


def _limit(fields: Fields, *, is_solution: bool) -> int:
    value = _value(fields, "limit")
    if value is None or value == "":
        return LIMIT_MAX if is_solution else LIMIT_DEFAULT
    spelt = str(value)
    if is_solution and (spelt == "0" or (spelt.startswith("-") and spelt[1:].isdigit())):
        return 1
    number = int(spelt) if spelt.isascii() and spelt.isdigit() and len(spelt) < 10 else 0  # noqa: PLR2004
    if isinstance(value, bool) or not 1 <= number <= LIMIT_MAX:
        raise InvalidParameter("limit", f"must be a whole number from 1 to {LIMIT_MAX}")
    return number


def _filters(fields: Fields) -> dict[str, frozenset[str]]:
    value = _value(fields, "filters")
    if value is None:
        return {}
    if not isinstance(value, list):
        raise InvalidParameter("filters", "must be a list")
    found: dict[str, frozenset[str]] = {}
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            raise InvalidParameter("filters", "must be objects with key and values")
        values = item.get("values")
        if not isinstance(values, list):
            raise InvalidParameter("filters", "must be objects with key and values")
        # Postgres takes no NUL in a text.
        found[item["key"]] = frozenset(str(one).replace("\x00", "\ufffd") for one in values)
    return found


def _value(fields: Fields, name: str) -> Any:
    raw = fields.get(name)
    return None if raw is None else decode_field(name, raw)
