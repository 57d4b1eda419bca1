"""Lists that are read on by a cursor (docs/kling-api.md 4.16, 5.5): a window of time, and filters.

A cursor says everything again, so that what stands beside it in a body does not count.
"""

import base64
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from relay.sandbox.fields import Fields

Row = TypeVar("Row")

_LAST_MS = 10**15


@dataclass(frozen=True, slots=True)
class Reading:
    """What is being read; `before` is the place, in order of time, where the last page ended."""

    start_ms: int
    end_ms: int
    limit: int
    filters: dict[str, list[str]]
    before: int | None = None

    def page(
        self,
        rows: Sequence[Row],
        *,
        at_ms: Callable[[Row], int],
        has: Callable[[Row, str, str], bool],
    ) -> tuple[list[Row], str | None]:
        """Take the next rows, the newest first, and the cursor behind them if there are more.

        `rows` are the oldest first and only ever appended to, so that places stay.
        """
        taken: list[Row] = []
        place = len(rows) if self.before is None else min(self.before, len(rows))
        while place > 0:
            row = rows[place - 1]
            if self._wants(row, at_ms(row), has):
                if len(taken) == self.limit:
                    return taken, _write(self, place)
                taken.append(row)
            place -= 1
        return taken, None

    def _wants(self, row: Row, at_ms: int, has: Callable[[Row, str, str], bool]) -> bool:
        """Tell whether a task passes: values of one filter are an or, filters an and."""
        return self.start_ms <= at_ms <= self.end_ms and all(
            any(has(row, key, value) for value in values)
            for key, values in self.filters.items()
            if values
        )


def read_cursor(
    fields: Fields,
    *,
    keys: Collection[str],
    limit: int,
    limit_max: int,
    is_window_needed: bool = False,
    is_limit_forced: bool = False,
) -> Reading:
    """Read what is asked for.

    Raises:
        Refusal: 1201 a field is wrong or, where needed, missing. With `is_limit_forced` a limit
            out of bounds is brought within them instead.
    """
    if fields.has("cursor"):
        return _read(fields)
    if is_window_needed:
        fields.need("start_time")
        fields.need("end_time")
    start = int(fields.number("start_time", lowest=0, highest=_LAST_MS, default=0))
    end = int(fields.number("end_time", lowest=0, highest=_LAST_MS, default=_LAST_MS))
    if start >= end:
        raise fields.refusal("start_time", "must be before end_time")
    if is_limit_forced:
        asked = fields.number("limit", lowest=-_LAST_MS, highest=_LAST_MS, default=limit)
        size = max(1, min(limit_max, int(asked)))
    else:
        size = fields.whole("limit", range(1, limit_max + 1), limit)
    filters: dict[str, list[str]] = {}
    for part in fields.parts("filters", most=10):
        part.need("key")
        key = part.choice("key", keys, "")
        filters.setdefault(key, []).extend(part.texts("values"))
    return Reading(start, end, size, filters)


def with_cursor(found: dict[str, Any], cursor: str | None) -> dict[str, Any]:
    """Add the end of a page: `next_cursor` is there only if there is more."""
    if cursor is None:
        return {**found, "has_more": False}
    return {**found, "next_cursor": cursor, "has_more": True}


def _write(reading: Reading, before: int) -> str:
    text = json.dumps({**asdict(reading), "before": before}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(fields: Fields) -> Reading:
    """Read a cursor of ours; one that was made up can only read what its account may read."""
    try:
        said = json.loads(base64.urlsafe_b64decode(fields.text("cursor")))
        reading = Reading(**said)
        filters = {str(key): [str(one) for one in of] for key, of in reading.filters.items()}
        whole = (reading.start_ms, reading.end_ms, reading.limit, reading.before)
        start, end, limit, before = (int(number) for number in whole if number is not None)
    except (ValueError, OverflowError, RecursionError, TypeError, AttributeError) as error:
        raise fields.refusal("cursor", "is invalid") from error
    return Reading(start, end, max(1, limit), filters, max(0, before))
