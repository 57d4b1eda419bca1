"""How channels do, as operators see it."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from sqlalchemy import Boolean, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.health.rules import GRAVITY, State
from relay.health.statements import COUNT, USABLE
from relay.health.tables import ChannelCondition, ChannelEvent, ChannelPack

# The newest rows of all, by their key: an index of its own would cost each submit.
LAST_HOUR = text(
    """
    SELECT channel_id,
           count(*) FILTER (WHERE state = 'succeed') AS succeeded,
           count(*) AS ended,
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM ended_at - coalesce(submitted_at, created_at))
           )::float8 AS median_s
    FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 20000) lately
    WHERE ended_at > now() - interval '1 hour' AND state IN ('succeed', 'failed')
        AND ended_via NOT IN ('operator', 'queue') AND channel_id = ANY (:ids)
    GROUP BY channel_id
    """
)
UNITS = text(
    f"""
    SELECT channel_id, kind, sum(remaining) AS remaining, min(expires_at) AS expires_at,
           min(read_at) AS read_at
    FROM channel_packs WHERE {USABLE} AND channel_id = ANY (:ids)
    GROUP BY channel_id, kind ORDER BY kind DESC
    """  # noqa: S608 (composed of constants)
)
USED_A_DAY = text(
    """
    SELECT channel_id, coalesce(cost_pack, pack) AS kind,
           sum(cost_units) / (
               greatest(extract(epoch FROM now() - min(created_at)), 3600) / 86400
           ) AS units
    FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 20000) lately
    WHERE cost_units > 0 AND created_at > now() - interval '7 days' AND channel_id = ANY (:ids)
    GROUP BY 1, 2
    """
)
EVENTS_SHOWN = 20
COOLING_LASTS = timedelta(minutes=1)
"""Kling is busy for seconds now and then; what lasts longer, clients notice."""
OFF, DRAINING = "off", "draining"
"""States that no answer of Kling's makes."""


class Part(msgspec.Struct, frozen=True):
    """What keeps a channel, or a part of it, from new tasks, or did so last."""

    pack: str | None
    model: str | None
    """Both None is all of it."""
    state: str
    code: int | None
    reason: str
    since: datetime
    failed_at: datetime
    try_at: datetime
    room: int | None
    """Slots there are by what Kling refused; None where it is about something else."""

    def is_trouble(self, now: datetime) -> bool:
        """Tell whether somebody should look; that all slots are taken is good."""
        if self.state == State.COOLING:
            return self.room is None and now - self.since >= COOLING_LASTS
        return self.state in (State.PARKED, State.REFUSED)


class Units(msgspec.Struct, frozen=True):
    """What an account has left of one kind, in all packs that can be used."""

    kind: str
    remaining: Decimal
    days_left: Decimal | None
    """At the rate of the last days; None while nothing is used."""
    expires_at: datetime | None
    """The first of the packs."""
    read_at: datetime


class Standing(msgspec.Struct, frozen=True):
    """How one channel does."""

    state: str
    """The gravest of its parts; `off` and `draining` are the operator's."""
    reason: str | None
    since: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    parts: list[Part]
    taken: dict[str, int]
    """Slots that live tasks take, by `pack/model`."""
    room: dict[str, int]
    """Slots there are, as set or learned, by `pack` or `pack/model`."""
    succeeded: int
    ended: int
    """Both in the last hour, by Kling's word."""
    median_s: float | None
    """From submit to end, of those."""
    units: list[Units]

    def troubles(self, now: datetime) -> list[Part]:
        """List what keeps it from new tasks, and is not over in a moment."""
        return [part for part in self.parts if part.is_trouble(now)]

    @property
    def slots(self) -> dict[str, tuple[int, int | None]]:
        """Say of each pack how many slots are taken, and how many there are if that is known."""
        taken: defaultdict[str, int] = defaultdict(int)
        for key, slots in self.taken.items():
            taken[key.partition("/")[0]] += slots
        packs = sorted({*taken, *(key for key in self.room if "/" not in key)})
        return {pack: (taken[pack], self.room.get(pack)) for pack in packs}


class Taken(msgspec.Struct, frozen=True):
    """The slots of a pack, or of one model in it as `pack/model`."""

    of: str
    taken: int
    room: int | None
    """None where nobody set it, and Kling refused none yet."""


class HeldPack(msgspec.Struct, frozen=True):
    """A resource pack of an account, as Kling told it last."""

    name: str
    kind: str
    total: Decimal
    remaining: Decimal
    expires_at: datetime | None
    is_usable: bool
    """Not spent, not over, and begun."""
    read_at: datetime


class Event(msgspec.Struct, frozen=True):
    """One change of a part's state."""

    at: datetime
    pack: str | None
    model: str | None
    before: str
    state: str
    reason: str


async def read_standings(session: AsyncSession, channels: list[Channel]) -> dict[int, Standing]:
    """Read how these channels do, by their ids."""
    ids = [channel.id for channel in channels]
    conditions = await session.scalars(
        select(ChannelCondition)
        .where(ChannelCondition.channel_id.in_(ids))
        .order_by(ChannelCondition.pack, ChannelCondition.model)
    )
    parts: defaultdict[int, list[Part]] = defaultdict(list)
    for row in conditions:
        parts[row.channel_id].append(_part(row))
    taken: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for counted in (await session.execute(text(COUNT))).mappings():
        taken[counted["channel_id"]][f"{counted['pack']}/{counted['model']}"] = counted["slots"]
    lately = {
        row["channel_id"]: row
        for row in (await session.execute(LAST_HOUR, {"ids": ids})).mappings()
    }
    units = await _read_units(session, ids)
    standings = {}
    for channel in channels:
        its = parts[channel.id]
        worst = max(its, key=lambda part: GRAVITY[State(part.state)], default=None)
        last = max(its, key=lambda part: part.failed_at, default=None)
        state, reason, since = _state(channel, worst)
        hour = lately.get(channel.id)
        standings[channel.id] = Standing(
            state=state,
            reason=reason,
            since=since,
            last_error=last.reason if last else None,
            last_error_at=last.failed_at if last else None,
            parts=its,
            taken=taken[channel.id],
            room=_learned(its) | channel.room,
            succeeded=hour["succeeded"] if hour else 0,
            ended=hour["ended"] if hour else 0,
            median_s=hour["median_s"] if hour else None,
            units=units[channel.id],
        )
    return standings


async def _read_units(session: AsyncSession, ids: list[int]) -> dict[int, list[Units]]:
    units: defaultdict[int, list[Units]] = defaultdict(list)
    left = (await session.execute(UNITS, {"ids": ids})).mappings().all()
    if not left:  # most accounts are billed by money
        return units
    of_whom = {"ids": list({row["channel_id"] for row in left})}
    used = {
        (row["channel_id"], row["kind"]): row["units"]
        for row in (await session.execute(USED_A_DAY, of_whom)).mappings()
    }
    for row in left:
        a_day = used.get((row["channel_id"], row["kind"]))
        units[row["channel_id"]].append(
            Units(
                kind=row["kind"],
                remaining=row["remaining"],
                days_left=round(row["remaining"] / a_day, 1) if a_day else None,
                expires_at=row["expires_at"],
                read_at=row["read_at"],
            )
        )
    return units


def rooms(standing: Standing) -> list[Taken]:
    """List what runs of what may, of each pack and model that either is known of."""
    found = []
    for of in sorted(standing.taken.keys() | standing.room.keys()):
        taken = standing.taken.get(of)
        if taken is None:  # a pack's, which all of its models take
            taken = sum(n for one, n in standing.taken.items() if one.startswith(f"{of}/"))
        found.append(Taken(of, taken, standing.room.get(of)))
    return found


async def read_packs(session: AsyncSession, channel_id: int) -> list[HeldPack]:
    """Read the packs of a channel: what can be used first, and of that what expires first."""
    usable = literal_column(f"({USABLE})", Boolean)
    query = (
        select(ChannelPack, usable)
        .where(ChannelPack.channel_id == channel_id)
        .order_by(usable.desc(), ChannelPack.expires_at, ChannelPack.pack_id)
    )
    return [
        HeldPack(
            name=row.name,
            kind=row.kind,
            total=row.total,
            remaining=row.remaining,
            expires_at=row.expires_at,
            is_usable=is_usable,
            read_at=row.read_at,
        )
        for row, is_usable in await session.execute(query)
    ]


async def read_events(session: AsyncSession, channel_id: int) -> list[Event]:
    """Read the last changes of a channel, newest first."""
    rows = await session.scalars(
        select(ChannelEvent)
        .where(ChannelEvent.channel_id == channel_id)
        .order_by(ChannelEvent.id.desc())
        .limit(EVENTS_SHOWN)
    )
    return [
        Event(
            at=row.created_at,
            pack=row.pack or None,
            model=row.model or None,
            before=row.before,
            state=row.state,
            reason=row.reason,
        )
        for row in rows
    ]


def state_by_operator(*, enabled: bool, is_draining: bool) -> str | None:
    """Say how a channel stands by its operator's word, whatever was learned of it."""
    if not enabled:
        return OFF
    return DRAINING if is_draining else None


def _part(row: ChannelCondition) -> Part:
    return Part(
        pack=row.pack or None,
        model=row.model or None,
        state=row.state,
        code=row.code,
        reason=row.reason,
        since=row.since,
        failed_at=row.failed_at,
        try_at=row.try_at,
        room=row.room,
    )


def _state(channel: Channel, worst: Part | None) -> tuple[str, str | None, datetime | None]:
    of_operator = state_by_operator(enabled=channel.enabled, is_draining=channel.is_draining)
    if of_operator is not None:
        return of_operator, None, None
    if worst is None or worst.state == State.OK:
        return State.OK.value, None, worst.since if worst else None
    of = "/".join(filter(None, (worst.pack, worst.model)))
    return worst.state, f"{of}: {worst.reason}" if of else worst.reason, worst.since


def _learned(parts: list[Part]) -> dict[str, int]:
    return {
        "/".join(filter(None, (part.pack, part.model))): part.room
        for part in parts
        if part.room is not None
    }
