"""Adding Kling accounts, and changing how they are used."""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels import edit
from relay.channels.edit import ChannelKeys
from relay.channels.tables import Channel
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NameTaken
from relay.desk.find import channel_named
from relay.secrets import KeyRing

__all__ = ["NO_KEYS", "ChannelChanges", "ChannelKeys", "add_channel", "change_channel"]

NO_KEYS = ChannelKeys()


class ChannelChanges(msgspec.Struct, frozen=True):
    """What is to be changed of a channel; None stays as it is."""

    base_url: str | None = None
    """Normalised already (`channels/checks.py`)."""
    priority: int | None = None
    weight: int | None = None
    enabled: bool | None = None
    rename: str | None = None
    keys: ChannelKeys = NO_KEYS


async def add_channel(
    session: AsyncSession,
    actor: Actor,
    keys: KeyRing,
    *,
    name: str,
    base_url: str,
    channel_keys: ChannelKeys,
    priority: int = 0,
    weight: int = 1,
) -> Channel:
    """Add a channel, enabled; `base_url` is normalised already.

    Raises:
        NameTaken
    """
    try:
        row = await edit.add_channel(
            session,
            keys,
            name=name,
            base_url=base_url,
            channel_keys=channel_keys,
            priority=priority,
            weight=weight,
        )
    except edit.NameTaken as error:
        raise NameTaken("channel", name) from error
    await note_change(
        session,
        actor,
        "channel.add",
        kind="channel",
        id=row.id,
        name=row.name,
        after=_state(row) | {"new_keys": _named(channel_keys)},
    )
    return row


async def change_channel(
    session: AsyncSession, actor: Actor, keys: KeyRing, name: str, changes: ChannelChanges
) -> Channel:
    """Change a channel; its running tasks are still asked for, with the keys that it has then.

    Raises:
        NoSuch, NameTaken
    """
    row = await channel_named(session, name)
    before = _state(row)
    edit.put_keys(row, keys, changes.keys)
    row.base_url = changes.base_url or row.base_url
    row.priority = row.priority if changes.priority is None else changes.priority
    row.weight = changes.weight or row.weight
    row.enabled = row.enabled if changes.enabled is None else changes.enabled
    try:
        await edit.rename_channel(session, row, changes.rename or row.name)
    except edit.NameTaken as error:
        raise NameTaken("channel", changes.rename or row.name) from error
    after = _state(row)
    changed = [field for field in after if after[field] != before[field]]
    new_keys = _named(changes.keys)
    await note_change(
        session,
        actor,
        "channel.change",
        kind="channel",
        id=row.id,
        name=name,
        before={field: before[field] for field in changed},
        after={field: after[field] for field in changed}
        | ({"new_keys": new_keys} if new_keys else {}),
    )
    return row


def _state(row: Channel) -> dict[str, Any]:
    return {
        "name": row.name,
        "base_url": row.base_url,
        "priority": row.priority,
        "weight": row.weight,
        "enabled": True if row.enabled is None else row.enabled,
    }


def _named(keys: ChannelKeys) -> list[str]:
    """List which keys were given; what they are is nobody's to read."""
    given = msgspec.structs.asdict(keys)
    return [name for name, value in given.items() if value is not None]
