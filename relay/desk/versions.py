"""Versions of what can be changed: of what an operator sets, not of what traffic moves."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TypeVar

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.read import ListedRule
from relay.desk.act import LOCK_TIMEOUT_MS
from relay.desk.actor import Actor
from relay.desk.errors import Stale
from relay.desk.permit import admit
from relay.desk.shown import ShownChannel, ShownOperator, ShownTenant, ShownToken

MOVING: dict[type[msgspec.Struct], frozenset[str]] = {
    ShownTenant: frozenset(
        ("quota_micros", "held_micros", "available_micros", "open_holds", "multiplier")
    ),
    ShownToken: frozenset(),
    ShownChannel: frozenset(("callback_at", "trial_at")),
    ShownOperator: frozenset(),
    ListedRule: frozenset(("state", "since", "found", "told_at", "checked_at", "error")),
}
"""What has a version, with the fields that are no part of it."""
CHARS = 24

Shown = TypeVar("Shown")
Look = Callable[[AsyncSession], Awaitable[Shown]]
"""Lock a thing, and show it."""


def etag_of(shown: object) -> str | None:
    """Spell the version of one thing as a header has it; None of what has none."""
    moving = MOVING.get(type(shown))  # type: ignore[arg-type]
    if moving is None:
        return None
    assert isinstance(shown, msgspec.Struct), "all that have a version are"
    set_ = {name: v for name, v in msgspec.structs.asdict(shown).items() if name not in moving}
    return f'"{sha256(msgspec.json.encode(set_)).hexdigest()[:CHARS]}"'


def is_among(etag: str | None, if_match: str) -> bool:
    """Tell whether a header names a version; a weak one names none, as RFC 9110 has it."""
    given = [one.strip() for one in if_match.split(",")]
    return "*" in given or etag in given


async def refuse_stale(
    session: AsyncSession, actor: Actor, act: str, version: str, look: Look[object]
) -> None:
    """Compare what was read to what is there, which stays so until the commit.

    `version`: as `etag_of` spells it, or several as a header names them.

    Raises:
        NotAllowed, NoSuch, Stale
    """
    if not is_among(etag_of(await look_before(session, actor, act, look)), version):
        raise Stale


async def look_before(session: AsyncSession, actor: Actor, act: str, look: Look[Shown]) -> Shown:
    """Show what an act is about, which stays so until the commit.

    Behind the lock of the operator's row, which every act takes first.

    Raises:
        NotAllowed, NoSuch
    """
    await session.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
    await admit(session, actor, act)
    return await look(session)
