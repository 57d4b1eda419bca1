"""Codes that were just made, as a table to keep: nobody can read them again."""

from collections.abc import Sequence

from relay.desk.codes import MadeCode
from relay.money import decimal_of
from relay.usage.sheet import Sheet


def codes_sheet(batch: str, made: Sequence[MadeCode], currency: str) -> Sheet:
    """Lay them out, a code in a line."""
    rows = [
        (
            *(one.code, decimal_of(one.amount_micros), currency),
            "" if one.expires_at is None else one.expires_at.isoformat(),
            str(one.id),
        )
        for one in made
    ]
    columns = ["code", "amount", "currency", "expires_at", "number"]
    return Sheet(title=batch, facts=(), columns=columns, rows=rows)
