"""Where alerts go, and what the operator set of their rules."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.places import PlaceUnusable, read_place, show_place, url_context
from relay.alerts.read import ListedPlace, list_places
from relay.alerts.rules import BY_NAME
from relay.alerts.tables import AlertPlace, AlertRule, Severity
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import differing, note_change
from relay.desk.errors import NoSuch, Unusable
from relay.money import plain
from relay.secrets import KeyRing

__all__ = ["ListedPlace", "add_place", "change_rule", "mute_rule", "remove_place"]

PAUSE_MAX_S = 7 * 86400
BOUND_MAX = Decimal(10) ** 9


@act("alert.add")
async def add_place(
    session: AsyncSession, actor: Actor, url: str, keys: KeyRing, *, least: Severity
) -> ListedPlace:
    """Have messages of that severity and graver sent there too; what was told is not repeated.

    Raises:
        Unusable: it is no URL that messages may go to.
    """
    try:
        url = read_place(url)
    except PlaceUnusable as error:
        raise Unusable(str(error)) from error
    row = AlertPlace(shown=show_place(url), url_sealed="", least=least.value)
    session.add(row)
    await session.flush()
    row.url_sealed = keys.seal(url, context=url_context(row.id))
    await note_change(
        session,
        actor,
        "alert.add",
        kind="alert_place",
        id=row.id,
        name=row.shown,
        after={"least": least.value},
    )
    (listed,) = await list_places(session, place_id=row.id)
    return listed


@act("alert.remove")
async def remove_place(session: AsyncSession, actor: Actor, place_id: int) -> str:
    """Send nothing there any more, not what waits for it either; return what it was.

    Raises:
        NoSuch
    """
    row = await session.get(AlertPlace, place_id, with_for_update=True)
    if row is None:
        raise NoSuch("alert place", place_id)
    shown = row.shown
    await session.delete(row)
    await note_change(
        session,
        actor,
        "alert.remove",
        kind="alert_place",
        id=place_id,
        name=shown,
        before={"least": row.least},
    )
    return shown


@act("alert.set")
async def change_rule(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    bound: Decimal | None = None,
    pause_s: int | None = None,
    is_default: bool = False,
) -> None:
    """Set what a rule compares with, or how long it is silent after a message; None is left.

    `is_default`: both are the rule's own again, but for what is given.

    Raises:
        NoSuch, Unusable
    """
    row = await _lock(session, name)
    if bound is not None and BY_NAME[name].bound is None:
        raise Unusable(f"rule '{name}' compares with nothing: it fires or it does not")
    if bound is not None and not 0 <= bound <= BOUND_MAX:
        raise Unusable(f"{bound} is no bound: 0 to {BOUND_MAX:,}")
    if pause_s is not None and not 0 <= pause_s <= PAUSE_MAX_S:
        raise Unusable(f"{pause_s} s is no pause: 0 to {PAUSE_MAX_S:,}")
    before = _settings(row)
    if bound is not None or is_default:
        row.bound = bound
    if pause_s is not None or is_default:
        row.pause_s = pause_s
    await _note(session, actor, "alert.set", name, before, _settings(row))


@act("alert.mute")
async def mute_rule(
    session: AsyncSession, actor: Actor, name: str, *, until: datetime | None
) -> None:
    """Tell nothing of a rule until then; None lets it speak again. Its state goes on.

    Raises:
        NoSuch
        Unusable: `until` has passed.
    """
    row = await _lock(session, name)
    now = await session.scalar(select(func.now()))
    assert now is not None, "there is a time"
    if until is not None and until <= now:
        raise Unusable("its end has passed already")
    before = {"muted_until": _shown(row.muted_until, now)}
    row.muted_until = until
    await _note(session, actor, "alert.mute", name, before, {"muted_until": _shown(until, now)})


async def _lock(session: AsyncSession, name: str) -> AlertRule:
    """Lock a rule's row, which is made if no worker has judged it yet."""
    if name not in BY_NAME:
        raise NoSuch("alert rule", name, tuple(BY_NAME))
    await session.execute(insert(AlertRule).values(name=name).on_conflict_do_nothing())
    query = select(AlertRule).where(AlertRule.name == name)
    return (await session.scalars(query.with_for_update(key_share=True))).one()


async def _note(
    session: AsyncSession, actor: Actor, act_name: str, rule: str, *states: dict[str, Any]
) -> None:
    """Note what differs in the state before and the one after."""
    before, after = differing(*states)
    if after:
        await note_change(
            *(session, actor, act_name),
            kind="alert_rule",
            id=None,
            name=rule,
            before=before,
            after=after,
        )


def _settings(row: AlertRule) -> dict[str, Any]:
    return {"bound": None if row.bound is None else plain(row.bound), "pause_s": row.pause_s}


def _shown(at: datetime | None, now: datetime) -> str | None:
    return None if at is None or at <= now else at.isoformat()
