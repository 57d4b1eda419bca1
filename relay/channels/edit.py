"""Channels as the desk writes them."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.directory import seal_into
from relay.channels.read import find_channel
from relay.channels.tables import Channel
from relay.kling.proxy import Proxy
from relay.kling.way import USUAL, Way, certificates_of
from relay.secrets import KeyRing


class ChannelKeys(msgspec.Struct, frozen=True):
    """New keys of a channel; None leaves what it has. Never log one."""

    access_key: str | None = None
    secret_key: str | None = None
    api_key: str | None = None
    webhook_secret: str | None = None

    def __repr__(self) -> str:
        return "ChannelKeys(...)"


class WayChanges(msgspec.Struct, frozen=True):
    """What is to be changed of how its calls go out: UNSET stays, None is as usual."""

    proxy: Proxy | UnsetType | None = UNSET
    """With its password."""
    ca_pem: str | UnsetType | None = UNSET
    connect_timeout_s: float | UnsetType | None = UNSET
    timeout_s: float | UnsetType | None = UNSET

    def after(self, way: Way | None) -> Way | None:
        """Say what a way becomes by them."""
        given = {name: value for name, value in _fields(self) if value is not UNSET}
        changed = msgspec.structs.replace(way or USUAL, **given)
        return None if changed.is_usual else changed

    @property
    def is_another(self) -> bool:
        """Tell whether connections are to be made otherwise, and not only waited for."""
        return self.proxy is not UNSET or self.ca_pem is not UNSET


def _fields(changes: WayChanges) -> list[tuple[str, Any]]:
    return [(name, getattr(changes, name)) for name in changes.__struct_fields__]


def put_way(row: Channel, keys: KeyRing, changes: WayChanges) -> None:
    if changes.proxy is not UNSET:
        row.proxy = None if changes.proxy is None else str(changes.proxy)
        row.proxy_password_sealed = None
        if changes.proxy is not None:
            seal_into(row, keys, proxy_password=changes.proxy.password)
    if changes.ca_pem is not UNSET:  # without a key that may stand beside them
        row.ca_pem = None if changes.ca_pem is None else certificates_of(changes.ca_pem)
    for name in ("connect_timeout_s", "timeout_s"):
        if (value := getattr(changes, name)) is not UNSET:
            setattr(row, name, value)


async def add_channel(
    session: AsyncSession,
    keys: KeyRing,
    *,
    name: str,
    base_url: str,
    channel_keys: ChannelKeys,
    priority: int,
    weight: int,
    room: dict[str, int],
    groups: list[str],
    models: list[str],
    is_sandbox: bool,
    way: WayChanges,
) -> Channel | None:
    """Add a channel, enabled. None, and nothing is written, if the name is taken.

    `base_url` is normalised already.
    """
    if await find_channel(session, name) is not None:
        return None
    # Its keys are sealed for its id, and a row without keys is refused by a constraint.
    next_id = await session.scalar(text("SELECT nextval(pg_get_serial_sequence('channels', 'id'))"))
    row = Channel(
        id=next_id,
        name=name,
        base_url=base_url,
        priority=priority,
        weight=weight,
        room=room,
        groups=groups,
        models=models,
        is_draining=False,
        is_sandbox=is_sandbox,
        confirmed_lookups=[],
    )
    put_keys(row, keys, channel_keys)
    put_way(row, keys, way)
    session.add(row)
    await session.flush()
    return row


def put_keys(row: Channel, keys: KeyRing, new: ChannelKeys) -> None:
    seal_into(row, keys, **msgspec.structs.asdict(new))


async def lock_keys(session: AsyncSession) -> None:
    """Let one transaction at a time compare new keys with all that there are, until its commit."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('channels', 0))"))


async def remove_channel(session: AsyncSession, row: Channel, name: str) -> None:
    """Switch a locked channel off for good, and call it `name`."""
    row.name, row.enabled, row.removed_at = name, False, func.now()
    row.is_draining = False
    await session.flush()
    await session.refresh(row)


async def rename_channel(session: AsyncSession, row: Channel, name: str) -> bool:
    """Rename it. False if another one has the name."""
    found = await find_channel(session, name)
    if found is None:
        row.name = name
    return found is None or found is row
