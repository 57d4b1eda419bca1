"""Adding Kling accounts, and changing how they are used."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels import edit
from relay.channels.checks import checked_webhook_secret, normalised_base_url
from relay.channels.edit import ChannelKeys
from relay.channels.tables import Channel
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import NameTaken, Unusable
from relay.desk.find import channel_named, lock
from relay.secrets import KeyRing

__all__ = ["NO_KEYS", "ChannelChanges", "ChannelKeys", "add_channel", "change_channel"]

NO_KEYS = ChannelKeys()


class ChannelChanges(msgspec.Struct, frozen=True):
    """What is to be changed of a channel; None stays as it is."""

    base_url: str | None = None
    priority: int | None = None
    weight: int | None = None
    enabled: bool | None = None
    rename: str | None = None
    keys: ChannelKeys = NO_KEYS


@act
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
    """Add a channel, enabled.

    Raises:
        NameTaken
        Unusable: the base URL, the webhook secret, no key, or half a pair.
    """
    _check_keys(channel_keys)
    if channel_keys.access_key is None and channel_keys.api_key is None:
        raise Unusable("a channel has a key pair, an API key or both")
    row = await edit.add_channel(
        session,
        keys,
        name=name,
        base_url=_normalised(base_url),
        channel_keys=channel_keys,
        priority=priority,
        weight=weight,
    )
    if row is None:
        raise NameTaken("channel", name)
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


@act
async def change_channel(
    session: AsyncSession, actor: Actor, keys: KeyRing, name: str, changes: ChannelChanges
) -> Channel:
    """Change a channel; its running tasks are still asked for, with the keys that it has then.

    What is so already is not noted.

    Raises:
        NoSuch, NameTaken
        Unusable: the base URL, the webhook secret, or half a pair.
    """
    _check_keys(changes.keys)
    row = await channel_named(session, name)
    await lock(session, row)
    before = _state(row)
    edit.put_keys(row, keys, changes.keys)
    if changes.base_url is not None:
        row.base_url = _normalised(changes.base_url)
    if changes.priority is not None:
        row.priority = changes.priority
    if changes.weight is not None:
        row.weight = changes.weight
    if changes.enabled is not None:
        row.enabled = changes.enabled
    if changes.rename is not None and not await edit.rename_channel(session, row, changes.rename):
        raise NameTaken("channel", changes.rename, renamed=name)
    before, after = differing(before, _state(row))
    if new_keys := _named(changes.keys):
        after["new_keys"] = new_keys
    if after:
        await note_change(
            session,
            actor,
            "channel.change",
            kind="channel",
            id=row.id,
            name=name,
            before=before,
            after=after,
        )
    return row


def _state(row: Channel) -> State:
    return {
        "name": row.name,
        "base_url": row.base_url,
        "priority": row.priority,
        "weight": row.weight,
        "enabled": row.enabled,
    }


def _named(keys: ChannelKeys) -> list[str]:
    """List which keys were given; what they are is nobody's to read."""
    given = msgspec.structs.asdict(keys)
    return [name for name, value in given.items() if value is not None]


def _check_keys(keys: ChannelKeys) -> None:
    if (keys.access_key is None) != (keys.secret_key is None):
        raise Unusable("an access key goes with its secret key")
    if keys.webhook_secret is not None:
        try:
            checked_webhook_secret(keys.webhook_secret)
        except ValueError as error:
            raise Unusable(str(error)) from error


def _normalised(base_url: str) -> str:
    try:
        return normalised_base_url(base_url)
    except ValueError as error:
        raise Unusable(str(error)) from error
