"""What the tables of a relay say of how it does."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.read import read_alerts
from relay.backups.read import read_last_backups
from relay.channels.read import read_rows
from relay.desk.check.alerts import check_alerts
from relay.desk.check.backups import check_backups
from relay.desk.check.channels import judge_channels, judge_groups, judge_standings
from relay.desk.check.finding import Finding, Level, bad, good
from relay.desk.check.judge import (
    judge_audit,
    judge_pauses,
    judge_price_list,
    judge_queue,
    judge_recent,
)
from relay.desk.sealed import open_what_is_used
from relay.health.read import read_standings
from relay.ledger.audits import find_last_audit
from relay.pauses.read import list_pauses
from relay.pricing.lists import read_adopted
from relay.secrets import KeyRing, SecretKeyError
from relay.settings import Settings
from relay.tasks.queue.read import read_lineup
from relay.tasks.recent import read_recent
from relay.tenants.read import read_tenants, read_tokens


async def check_keys(session: AsyncSession, keys: KeyRing) -> Finding:
    """Open all that is stored, with the keys that there are."""
    subject = "secret key"
    try:
        await open_what_is_used(session, keys)
    except SecretKeyError as error:
        return bad(
            subject,
            str(error),
            "give the key that it was sealed with, or put it behind the current one, in one list",
        )
    return good(subject, f"'{keys.current}' writes, and all that is stored can be opened")


async def check_business(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Judge channels, prices, pauses, the queue and the books."""
    now = datetime.now(UTC)
    channels = await read_rows(session)
    standings = await read_standings(session, channels)
    tokens = [token for token, _ in await read_tokens(session)]
    last_audit = await find_last_audit(session)
    return [
        judge_channels(channels),
        *judge_standings(channels, standings, now=now),
        *judge_groups(channels, await read_tenants(session), tokens),
        judge_price_list(await read_adopted(session)),
        *judge_pauses(await list_pauses(session)),
        *judge_queue(await read_lineup(session)),
        judge_audit(last_audit, every_s=settings.audit_every_s, now=now),
    ]


async def check_arrivals(
    session: AsyncSession, settings: Settings, *, directory: Path | None
) -> list[Finding]:
    """Judge what arrived lately: callbacks, backups where they are kept, and alerts.

    `directory`: has the database; None where it is not to be seen.
    """
    return [
        *judge_recent(await read_recent(session), are_on=settings.public_url is not None),
        check_backups(await read_last_backups(session), settings, directory),
        *check_alerts(await read_alerts(session)),
    ]


def worst_of(findings: Iterable[Finding]) -> Level:
    """Say how it stands by the gravest of them."""
    return max((found.level for found in findings), key=list(Level).index)
