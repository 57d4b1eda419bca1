"""The journal of the desk: written by every act, read by operators."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.desk.actor import Actor
from relay.desk.tables import Change
from relay.tenants.tables import Tenant

State = dict[str, Any]
"""Of a thing: what of it an act may change, in what JSON has. Never a secret, sealed or not."""


def differing(before: State, after: State) -> tuple[State, State]:
    """Keep of two states what an act changed."""
    fields = [field for field, value in after.items() if before[field] != value]
    return {field: before[field] for field in fields}, {field: after[field] for field in fields}


async def note_change(
    session: AsyncSession,
    actor: Actor,
    act: str,
    *,
    kind: str,
    id: int | None,  # noqa: A002 (ours, as everywhere)
    name: str,
    before: State | None = None,
    after: State | None = None,
    reason: str | None = None,
    amount_micros: int | None = None,
) -> None:
    """Write down an act, as the last thing of it.

    `before` and `after` hold only what the act changed. `amount_micros`: what it counts against a
    ceiling, at least 0.
    """
    await session.flush()  # else one flush would write what the act changed behind this
    session.add(
        Change(
            actor=str(actor),
            origin=actor.origin,
            request_id=actor.request_id,
            act=act,
            subject_kind=kind,
            subject_id=id,
            subject=name,
            before=before,
            after=after,
            reason=reason,
            amount_micros=amount_micros,
        )
    )
    await session.flush()


async def list_changes(
    session: AsyncSession,
    *,
    actor: str | None = None,
    subject: str | None = None,
    act: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int,
) -> list[Change]:
    """List changes, newest first. `act`: one, or all that begin with it and a dot (`tenant`).

    `until`: the first moment that is too late.
    `subject`: what had this name then, and whatever was done to what has it now.
    """
    query = select(Change).order_by(Change.id.desc()).limit(limit)
    if actor is not None:
        query = query.where(Change.actor == actor)
    if subject is not None:
        query = query.where(or_(Change.subject == subject, *_of_what_is_called(subject)))
    if act is not None:
        query = query.where((Change.act == act) | Change.act.startswith(f"{act}.", autoescape=True))
    if since is not None:
        query = query.where(Change.at >= since)
    if until is not None:
        query = query.where(Change.at < until)
    if before_id is not None:
        query = query.where(Change.id < before_id)
    return list(await session.scalars(query))


async def last_of_each_act(session: AsyncSession, *, until: datetime) -> list[Change]:
    """List the newest change of each act, of those up to a moment; the newest first."""
    newest = (
        select(func.max(Change.id)).where(Change.at <= until).group_by(Change.act).scalar_subquery()
    )
    query = select(Change).where(Change.id.in_(newest)).order_by(Change.id.desc())
    return list(await session.scalars(query))


def _of_what_is_called(name: str) -> list[ColumnElement[bool]]:
    return [
        and_(
            Change.subject_kind == kind,
            Change.subject_id == select(table.id).where(table.name == name).scalar_subquery(),
        )
        for kind, table in (("tenant", Tenant), ("channel", Channel))
    ]


async def find_change(session: AsyncSession, change_id: int) -> Change | None:
    return await session.get(Change, change_id)
