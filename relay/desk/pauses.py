"""Stopping creates for a while, and letting them on again."""

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.find import channel_to_act_on, tenant_to_act_on
from relay.desk.names import check_words
from relay.moments import ms_of
from relay.notices.events import Event
from relay.notices.tell import tell
from relay.pauses.read import ListedPause, list_pauses
from relay.pauses.tables import Pause

__all__ = ["ListedPause", "end_pause", "pause_creates"]


@act("pause.add")
async def pause_creates(
    session: AsyncSession,
    actor: Actor,
    *,
    reason: str,
    tenant: str | None = None,
    channel: str | None = None,
    endpoint: str | None = None,
    model: str | None = None,
    until: datetime | None = None,
) -> ListedPause:
    """Answer the creates that fit all that is named with 503/5001; without a name, every create.

    Queries, callbacks and charges go on. `until`: it ends by itself then.

    Raises:
        NoSuch, NotPossible: the tenant or the channel.
        Unusable: the reason, an empty model, or `until` has passed.
    """
    check_words(reason, what="reason")
    if model == "":
        raise Unusable("a model has a name")
    now = await session.scalar(func.now())
    if until is not None and until <= now:
        raise Unusable("its end has passed already")
    # What is empty is nobody's name; taken for none, it would stop everything.
    row = Pause(
        tenant_id=None if tenant is None else (await tenant_to_act_on(session, tenant)).id,
        channel_id=None if channel is None else (await channel_to_act_on(session, channel)).id,
        endpoint=endpoint,
        model=None if model is None else model.lower(),
        reason=reason,
        until=until,
    )
    session.add(row)
    await session.flush()
    (listed,) = await list_pauses(session, pause_id=row.id)
    await _tell(session, row, is_over=False)
    await note_change(
        session,
        actor,
        "pause.add",
        kind="pause",
        id=row.id,
        name=str(row.id),
        after=_state(listed),
        reason=reason,
    )
    return listed


@act("pause.end")
async def end_pause(session: AsyncSession, actor: Actor, pause_id: int) -> ListedPause:
    """End a pause before its time.

    Raises:
        NoSuch
        NotPossible: it is over already.
    """
    row = await session.get(Pause, pause_id, with_for_update=True)
    if row is None:
        raise NoSuch("pause", pause_id)
    if not await list_pauses(session, pause_id=pause_id):
        raise NotPossible("pause", pause_id, "it is over already")
    row.ended_at = func.now()
    await session.flush()
    (listed,) = await list_pauses(session, pause_id=pause_id, with_ended=True)
    await _tell(session, row, is_over=True)
    await note_change(
        session,
        actor,
        "pause.end",
        kind="pause",
        id=row.id,
        name=str(row.id),
        before={"ended_at": None},
        after={"ended_at": _shown(listed.ended_at)},
    )
    return listed


async def _tell(session: AsyncSession, row: Pause, *, is_over: bool) -> None:
    """Tell the tenants that are paused; not of a channel, beside which others may serve them."""
    if row.channel_id is not None:
        return
    data = {
        "is_over": is_over,
        "endpoint": row.endpoint,
        "model": row.model,
        "until": None if row.until is None else ms_of(row.until),
    }
    key = f"{row.id}/over" if is_over else str(row.id)
    await tell(session, Event.SERVICE_PAUSED, key, data, tenant_id=row.tenant_id)


def _state(listed: ListedPause) -> State:
    state: dict[str, Any] = {
        "tenant": listed.tenant,
        "channel": listed.channel,
        "endpoint": listed.endpoint,
        "model": listed.model,
        "until": _shown(listed.until),
    }
    return {name: value for name, value in state.items() if value is not None}


def _shown(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
