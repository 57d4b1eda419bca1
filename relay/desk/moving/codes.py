"""Redeem codes of a new-api: they go on being what they are, since their hashes are kept."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from relay.codes.edit import NewCode
from relay.codes.read import known_codes
from relay.codes.spelling import CHARS_MIN, hash_code, is_code
from relay.desk.moving.plan import Choices, CodeLine, Verdict
from relay.new_api.prices import micros_of_units
from relay.new_api.rows import OldCode, Options


async def plan_codes(
    session: AsyncSession,
    codes: Sequence[OldCode],
    options: Options,
    choices: Choices,
    now: datetime,
) -> tuple[list[CodeLine], list[int]]:
    """Plan each code that is free there.

    And name those of ours that were moved before, are free here, and are no more free there:
    whoever used one there could use it here again.
    """
    hashes = {hash_code(code.text) for code in codes}
    known = await known_codes(session, hashes, source=choices.source)
    lines = []
    for code in codes:
        micros = micros_of_units(options, code.units, rate=choices.rate)
        new = NewCode(code.text, micros, code.expires_at)
        is_known = hash_code(code.text) in known
        why = "" if is_known else _why_not(new, now)
        verdict = Verdict.SAME if is_known else Verdict.LEFT_OUT if why else Verdict.NEW
        lines.append(CodeLine(verdict, code.id, new, why))
    gone = [one.id for code_hash, one in known.items() if one.is_free and code_hash not in hashes]
    return lines, sorted(gone)


def _why_not(code: NewCode, now: datetime) -> str:
    """Say why a code is not taken over; empty: it is."""
    if code.expires_at is not None and code.expires_at <= now:
        return "it is expired"
    if code.amount_micros <= 0:
        return "it adds nothing"
    if not is_code(code.text):
        return f"it has fewer than {CHARS_MIN} letters and digits, and could be guessed"
    return ""
