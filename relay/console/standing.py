"""One channel as its pages tell it: how it stands, in a word, and what there is to do with it."""

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.costs import ListedCost, list_costs
from relay.channels.tables import Channel
from relay.console.change_words import spell_change
from relay.console.page import Page
from relay.desk.changes import list_changes
from relay.desk.find import channel_numbered
from relay.desk.shown import ShownChange, ShownChannel, shown_change, shown_channel
from relay.health.read import (
    Event,
    HeldPack,
    Standing,
    Taken,
    read_events,
    read_packs,
    read_standings,
    rooms,
)
from relay.health.rules import State
from relay.health.troubles import Trouble, read_troubles
from relay.kling.way import Way
from relay.pauses.read import ListedPause, list_pauses
from relay.tasks.live import count_live
from relay.trial.kept import ShownTrial, read_last_trial
from relay.trial.report import TrialReport

CHANGES_SHOWN = 20
BUSY, REMOVED, PAUSED = "busy", "removed", "paused"


class Shown(msgspec.Struct, frozen=True):
    """A channel of the list."""

    channel: ShownChannel
    standing: Standing
    state: str
    """A word of `channels/state.html`."""
    reason: str | None
    rooms: list[Taken]
    pauses: list[ListedPause]
    """Those in force that name it."""

    @property
    def running(self) -> int:
        """Slots that its live tasks take."""
        return sum(self.standing.taken.values())

    @property
    def success(self) -> float | None:
        """Of the tasks that ended in the last hour, as a share."""
        ended = self.standing.ended
        return self.standing.succeeded / ended if ended else None


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A channel of the list, as a file has it; how it does is of now."""

    id: int
    name: str
    base_url: str
    state: str
    reason: str | None
    running: int
    room: dict[str, int]
    units_left: dict[str, Decimal]
    """By kind."""
    succeeded: int
    ended: int
    """Both in the last hour."""
    median_s: float | None
    priority: int
    weight: int
    groups: list[str]
    models: list[str]
    is_sandbox: bool
    callback_at: datetime | None
    created_at: datetime
    removed_at: datetime | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All that its page shows."""

    shown: Shown
    live: int
    """Tasks that it has, running or still to be asked about."""
    packs: list[HeldPack]
    troubles: list[Trouble]
    events: list[Event]
    changes: list[tuple[ShownChange, str]]
    """What was done to it at the desk, and what that changed in words."""
    costs: list[ListedCost]
    trial: TrialReport | None
    last_trial: ShownTrial | None
    """The one that was begun last; its report is `trial`, if it has one."""
    ca_sha256: str | None
    acts: list[str]
    """What the visitor may do to it as it is."""


async def read_shown(session: AsyncSession, rows: list[Channel]) -> list[Shown]:
    """Read how channels stand."""
    standings = await read_standings(session, rows)
    pauses = await list_pauses(session)
    return [
        _shown(row, standings[row.id], [one for one in pauses if one.channel == row.name])
        for row in rows
    ]


def row_of(shown: Shown) -> ChannelRow:
    """Lay out a channel of the list for a file."""
    channel, standing = shown.channel, shown.standing
    return ChannelRow(
        id=channel.id,
        name=channel.name,
        base_url=channel.base_url,
        state=shown.state,
        reason=shown.reason,
        running=shown.running,
        room=standing.room,
        units_left={one.kind: one.remaining for one in standing.units},
        succeeded=standing.succeeded,
        ended=standing.ended,
        median_s=standing.median_s,
        priority=channel.priority,
        weight=channel.weight,
        groups=channel.groups,
        models=channel.models,
        is_sandbox=channel.is_sandbox,
        callback_at=channel.callback_at,
        created_at=channel.created_at,
        removed_at=channel.removed_at,
    )


async def read_told(session: AsyncSession, page: Page, channel_id: int) -> Told:
    """Read one channel.

    Raises:
        NoSuch
    """
    row = await channel_numbered(session, channel_id)
    (shown,) = await read_shown(session, [row])
    changes = await list_changes(session, subject=row.name, act="channel", limit=CHANGES_SHOWN)
    return Told(
        shown=shown,
        live=await count_live(session, channel_id=row.id),
        packs=await read_packs(session, row.id),
        troubles=await read_troubles(session, row.id, row.name),
        events=await read_events(session, row.id),
        changes=[(one, spell_change(one, page)) for one in map(shown_change, changes)],
        costs=await list_costs(session, row.id),
        trial=None if row.trial is None else msgspec.convert(row.trial, TrialReport),
        last_trial=await read_last_trial(session, row.id),
        ca_sha256=Way(ca_pem=row.ca_pem).ca_sha256,
        acts=_acts(shown, page),
    )


def _shown(row: Channel, standing: Standing, pauses: list[ListedPause]) -> Shown:
    state = standing.state
    if row.removed_at is not None:
        state = REMOVED
    elif state == State.COOLING and _is_of_room(standing):
        state = BUSY
    elif state == State.OK and any(_is_of_all(one) for one in pauses):
        state = PAUSED
    return Shown(shown_channel(row), standing, state, standing.reason, rooms(standing), pauses)


def _is_of_room(standing: Standing) -> bool:
    """Tell whether but slots are wanting: each becomes free by itself."""
    return all(part.room is not None for part in standing.parts if part.state == State.COOLING)


def _is_of_all(pause: ListedPause) -> bool:
    return pause.tenant is None and pause.endpoint is None and pause.model is None


def _acts(shown: Shown, page: Page) -> list[str]:
    channel = shown.channel
    if channel.removed_at is not None:
        return []
    possible = {
        "edit": ("channel.change", True),
        "test": ("channel.try", True),
        "try": ("channel.try", True),
        "pause": ("pause.add", True),
        "drain": ("channel.change", channel.enabled and not channel.is_draining),
        "undrain": ("channel.change", channel.is_draining),
        "disable": ("channel.change", channel.enabled),
        "enable": ("channel.change", not channel.enabled),
        "cost": ("channel.set_cost", True),
        "remove": ("channel.remove", True),
    }
    return [one for one, (act, can) in possible.items() if can and page.may(act)]
