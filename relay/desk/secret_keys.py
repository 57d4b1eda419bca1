"""Holding the operator's secret keys to the database, and sealing anew with the current one."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts import places as alerts
from relay.channels import directory as channels
from relay.database.sealed import Resealed, SealedColumn, count_sealed, reseal
from relay.deliveries import signature as deliveries
from relay.deliveries.kept_url import url_context
from relay.deliveries.tables import Delivery
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, Unusable
from relay.logins import second_factor
from relay.notices import places as notices
from relay.operators import answers
from relay.runs import tables as runs
from relay.secret_keys.proofs import check_keys, read_keys, retire
from relay.secrets import KeyRing
from relay.tasks.queue import tables as queue
from relay.tasks.tables import Task
from relay.tenants import tokens

SEALED: tuple[SealedColumn, ...] = (
    *(*channels.SEALED, *tokens.SEALED, *deliveries.SEALED),
    SealedColumn(Task, "callback_url", url_context, owner="tenant_id", is_behind=True),
    SealedColumn(Delivery, "url", url_context, owner="tenant_id", is_behind=True),
    *(
        *alerts.SEALED,
        *notices.SEALED,
        *queue.SEALED,
        *runs.SEALED,
        *answers.SEALED,
        *second_factor.SEALED,
    ),
)
"""Whatever is sealed in this database."""
VALUES_AT_ONCE = 500
"""Of one transaction, which holds their rows."""


class KnownKey(msgspec.Struct, frozen=True):
    """One key of this database, as a rotation leaves it."""

    id: str
    is_current: bool
    values: int
    """That it seals."""
    live_tasks: int
    """That Kling may call back on paths made with it: they began before it was retired."""
    retired_at: datetime | None


async def check_secret_keys(session: AsyncSession, keys: KeyRing) -> None:
    """Refuse keys that are not this database's, before anything is sealed with them.

    Raises:
        SecretKeyError: with a sentence.
    """
    await check_keys(session, keys, SEALED)


@act("secret_key.reseal")
async def reseal_values(
    session: AsyncSession, actor: Actor, keys: KeyRing, column: SealedColumn, *, after_id: int
) -> Resealed:
    """Seal the next values of a column with the current key; `last_id` says where to go on.

    Raises:
        SecretKeyError: the keys are not this database's.
    """
    await check_secret_keys(session, keys)
    resealed = await reseal(session, column, keys, after_id=after_id, limit=VALUES_AT_ONCE)
    if resealed.number:
        await note_change(
            session,
            actor,
            "secret_key.reseal",
            kind="secret_key",
            id=None,
            name=keys.current,
            after={"column": column.title, "values": resealed.number},
        )
    return resealed


@act("secret_key.retire")
async def retire_keys(session: AsyncSession, actor: Actor, keys: KeyRing) -> list[KnownKey]:
    """Note which keys seal nothing any more; return all that this database has seen."""
    values: dict[str, int] = {}
    for column in SEALED:
        for name, number in (await count_sealed(session, column)).items():
            values[name] = values.get(name, 0) + number
    known = [row.id for row in await read_keys(session)]
    idle = [name for name in known if name != keys.current and not values.get(name)]
    await _retire(session, actor, idle, is_lost=False)
    return [
        KnownKey(
            id=row.id,
            is_current=row.id == keys.current,
            values=values.get(row.id, 0),
            live_tasks=await _count_live(session, row.retired_at),
            retired_at=row.retired_at,
        )
        for row in await read_keys(session)
    ]


@act("secret_key.retire")
async def lose_key(session: AsyncSession, actor: Actor, keys: KeyRing, name: str) -> None:
    """Give up what a key sealed that nobody has any more: it is to be entered anew.

    Raises:
        NoSuch
        Unusable: it is among the configured ones.
    """
    if name in keys.names:
        raise Unusable(f"'{name}' is configured, so it is not lost")
    known = [row.id for row in await read_keys(session)]
    if name not in known:
        raise NoSuch("secret key", name, known)
    await _retire(session, actor, [name], is_lost=True)


async def _retire(
    session: AsyncSession, actor: Actor, names: Sequence[str], *, is_lost: bool
) -> None:
    for name in await retire(session, names):
        await note_change(
            session,
            actor,
            "secret_key.retire",
            kind="secret_key",
            id=None,
            name=name,
            after={"is_lost": is_lost},
        )


async def _count_live(session: AsyncSession, before: datetime | None) -> int:
    """Count tasks without an end that began before; none of a key that is in use."""
    if before is None:
        return 0
    query = select(func.count()).where(Task.hold_ended_at.is_(None), Task.created_at < before)
    return await session.scalar(query) or 0
