"""Judging all rules, and writing down what became of each with what is to be told of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found, Rule
from relay.alerts.rules import BY_NAME, RULES
from relay.alerts.tables import AlertMessage, AlertPlace, AlertRule, Severity
from relay.alerts.word import Words, word_firing, word_over
from relay.database.engine import Sessions
from relay.database.faults import log_failure

log = structlog.get_logger()

EVERY_S = 60.0
FRESH_S = 45.0
"""What somebody judged within that is not judged again."""
KEPT_DAYS = 30
REASON_CHARS_MAX = 300

Judged = dict[str, Found | str]
"""By rule: what was found, or why nothing could be."""


async def judge_rules(sessions: Sessions, around: Around) -> None:
    """Judge every rule, unless another worker just has.

    Raises:
        OSError, DBAPIError: the database is away, or takes no writes.
    """
    async with sessions() as session:
        began_at = await session.scalar(select(func.now()))
        assert began_at is not None, "there is a time"
        rows = {row.name: row for row in await session.scalars(select(AlertRule))}
    last = max((row.checked_at for row in rows.values() if row.checked_at), default=None)
    if last is not None and (began_at - last).total_seconds() < FRESH_S:
        return
    judged: Judged = {}
    for rule in RULES:
        judged[rule.name] = await _ask(sessions, rule, rows.get(rule.name), around)
    async with sessions.begin() as session:
        await write_judged(session, judged, began_at=began_at, around=around)


async def _ask(
    sessions: Sessions, rule: Rule, row: AlertRule | None, around: Around
) -> Found | str:
    """Ask in a transaction of its own, so that one that fails is the only one."""
    try:
        async with sessions() as session:
            return await rule.ask(session, bound_of(rule, row), around)
    except Exception as error:  # noqa: BLE001 (told in the log, and by the rule)
        log_failure(log, "alert.not_judged", error, rule=rule.name)
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        return (said or type(error).__name__)[:REASON_CHARS_MAX]


def bound_of(rule: Rule, row: AlertRule | None) -> float:
    """Read what a rule compares with; 0 where it has nothing to."""
    if row is not None and row.bound is not None:
        return float(row.bound)
    return 0.0 if rule.bound is None else float(rule.bound.at)


async def write_judged(
    session: AsyncSession, judged: Judged, *, began_at: datetime, around: Around
) -> None:
    """Move the rules to what was found, and write the messages that are due.

    The rows are locked, so that of two who judge at once the second sees what the first has told.
    """
    rows = await _lock_rows(session, judged)
    if missing := [{"name": name} for name in judged.keys() - {row.name for row in rows}]:
        await session.execute(insert(AlertRule).values(missing).on_conflict_do_nothing())
        rows = await _lock_rows(session, judged)
    if any(row.checked_at is not None and row.checked_at > began_at for row in rows):
        return
    now = await session.scalar(select(func.clock_timestamp()))
    assert now is not None, "there is a time"
    places = list(await session.scalars(select(AlertPlace)))
    for row in rows:
        row.checked_at = now
        found = judged[row.name]
        if isinstance(found, str):
            row.error = found
            continue
        row.error = None
        _move(row, found, now)
        await _tell(session, BY_NAME[row.name], row, places, now=now, around=around)
    await session.execute(
        delete(AlertMessage).where(
            AlertMessage.created_at < func.now() - text(f"interval '{KEPT_DAYS} days'")
        )
    )


async def _lock_rows(session: AsyncSession, names: Iterable[str]) -> list[AlertRule]:
    query = select(AlertRule).where(AlertRule.name.in_(names)).order_by(AlertRule.name)
    return list(await session.scalars(query.with_for_update(key_share=True)))


def _move(row: AlertRule, found: Found, now: datetime) -> None:
    if row.is_firing != bool(found):
        row.is_firing, row.since = bool(found), now
        tell = log.error if found else log.info
        tell("alert.firing" if found else "alert.over", rule=row.name, found=found)
    row.found = found


async def _tell(
    session: AsyncSession,
    rule: Rule,
    row: AlertRule,
    places: list[AlertPlace],
    *,
    now: datetime,
    around: Around,
) -> None:
    """Write a message where what is so is not what was told, and it may be told now."""
    its = [one for one in places if takes(one.least, rule.severity)]
    if not its or not _is_due(rule, row, now):
        return
    words: Words
    if row.is_firing:
        words = word_firing(rule, row.found, since=row.since, now=now, voice=around.voice)
    else:
        words = word_over(rule, row.told, since=row.since, voice=around.voice)
    # What did not arrive yet is no news any more.
    await session.execute(
        delete(AlertMessage).where(
            AlertMessage.rule == row.name,
            AlertMessage.ended_at.is_(None),
            AlertMessage.lease.is_(None),
        )
    )
    session.add_all(
        AlertMessage(
            rule=row.name,
            place_id=place.id,
            is_firing=row.is_firing,
            title=words.title,
            body=words.body,
        )
        for place in its
    )
    row.told, row.told_at = row.found, now


def _is_due(rule: Rule, row: AlertRule, now: datetime) -> bool:
    if row.muted_until is not None and row.muted_until > now:
        return False
    pause = timedelta(seconds=rule.pause_s if row.pause_s is None else row.pause_s)
    if row.told_at is not None and now - row.told_at < pause:
        return False
    return bool(row.found.keys() - row.told.keys()) or bool(row.told and not row.found)


def takes(least: str, severity: Severity) -> bool:
    """Tell whether a place of that least severity gets it."""
    return severity is Severity.PAGE or least == Severity.TICKET
