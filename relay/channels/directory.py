"""The operator's channels, read from the database with their keys opened."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels import tables
from relay.channels.opened import OpenedChannel
from relay.database.cached import Cached
from relay.database.engine import Sessions
from relay.database.sealed import SealedColumn
from relay.kling.proxy import read_proxy
from relay.kling.way import Way
from relay.secrets import KeyRing, SecretKeyError

log = structlog.get_logger()

AGE_MAX_S = 2.0
"""How long a changed channel may stay unseen by a running process, while it can be read."""
CALLBACK_NOTED_EVERY_S = 60.0


class _Channels(NamedTuple):
    """One reading of the table."""

    all: tuple[OpenedChannel, ...]
    by_id: dict[int, OpenedChannel]


class ChannelDirectory:
    """All channels, at most `AGE_MAX_S` old."""

    def __init__(
        self, sessions: Sessions, keys: KeyRing, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._noting: set[int] = set()
        """Channels of which a callback is being written down."""
        self._channels = Cached(self._read, of="channels", age_max_s=AGE_MAX_S, clock=clock)
        self._last_by_id: dict[int, OpenedChannel] = {}

    async def all(self) -> tuple[OpenedChannel, ...]:
        return (await self._channels.get()).all

    async def try_read(self) -> tuple[OpenedChannel, ...]:
        """Read all, whatever is remembered; raises if they cannot be read."""
        return (await self._channels.try_read()).all

    async def get(self, channel_id: int) -> OpenedChannel:
        """Get one channel, a disabled one too: its tasks are still asked about.

        Raises:
            LookupError: there is none; rows of channels are never deleted.
        """
        channels = (await self._channels.get()).by_id
        if channel_id not in channels:
            self.forget()
            channels = (await self._channels.get()).by_id
        return channels[channel_id]

    async def sandbox_url(self, channel_id: int | None) -> str | None:
        """Say where the sandbox is that a channel stands for, if it does.

        Its files may be read there, though it may stand on a private network.
        """
        if channel_id is None:
            return None
        channel = await self.get(channel_id)
        return channel.base_url if channel.is_sandbox else None

    def known(self, channel_id: int) -> OpenedChannel | None:
        """Return a channel as it was last read, however long ago, without asking the database."""
        return self._last_by_id.get(channel_id)

    def names(self) -> frozenset[str] | None:
        """Name all channels as they were last read, without asking the database; None if never."""
        return frozenset(channel.name for channel in self._last_by_id.values()) or None

    async def note_callback(self, channel: OpenedChannel) -> None:
        """Remember that this account's callbacks reach us; written once a minute at most.

        By one of all the callbacks of a moment: a burst would else wait for one row and for the few
        connections of sessions.
        """
        noted = channel.callback_at
        if noted and (datetime.now(UTC) - noted).total_seconds() < CALLBACK_NOTED_EVERY_S:
            return
        if channel.id in self._noting:
            return
        self._noting.add(channel.id)
        try:
            async with self._sessions.begin() as session:
                await session.execute(
                    update(tables.Channel)
                    .where(tables.Channel.id == channel.id)
                    .values(callback_at=func.now())
                )
        finally:
            self._noting.discard(channel.id)
        self.forget()

    def forget(self) -> None:
        """Have the table read at the next question."""
        self._channels.forget()

    async def _read(self) -> _Channels:
        async with self._sessions() as session:
            rows = await session.scalars(select(tables.Channel).order_by(tables.Channel.id))
            channels = tuple(_usable(row, self._keys) for row in rows)
        self._last_by_id = {channel.id: channel for channel in channels}
        return _Channels(channels, self._last_by_id)


async def find_same_account(
    session: AsyncSession, keys: KeyRing, *, access_key: str | None, api_key: str | None
) -> list[OpenedChannel]:
    """Find the channels that have one of these keys: they are one Kling account, at any host.

    One whose keys cannot be opened is known by its access key alone.
    """
    rows = await session.scalars(select(tables.Channel).where(tables.Channel.removed_at.is_(None)))
    return [
        channel
        for channel, shown in [(_usable(row, keys), row.access_key) for row in rows]
        if (access_key is not None and access_key == shown)
        or (api_key is not None and api_key == channel.api_key)
    ]


async def read_channels(session: AsyncSession, keys: KeyRing) -> list[OpenedChannel]:
    """Read every channel.

    Raises:
        SecretKeyError: a key of one cannot be opened with the configured secret keys.
    """
    rows = await session.scalars(select(tables.Channel).order_by(tables.Channel.id))
    return [
        _opened(row, lambda sealed, context: keys.open(sealed, context=context)) for row in rows
    ]


def _usable(row: tables.Channel, keys: KeyRing) -> OpenedChannel:
    """Open what can be opened of a channel: a key that cannot takes no other with it."""

    def opened(sealed: str, context: str) -> str | None:
        try:
            return keys.open(sealed, context=context)
        except SecretKeyError as error:
            log.error("channel.key_sealed", channel=row.name, reason=str(error))  # noqa: TRY400
            return None

    return _opened(row, opened)


def seal_into(
    row: tables.Channel,
    keys: KeyRing,
    *,
    access_key: str | None = None,
    secret_key: str | None = None,
    api_key: str | None = None,
    webhook_secret: str | None = None,
    proxy_password: str | None = None,
) -> None:
    """Put new keys into a row that has its id; what is None stays as it is."""
    assert row.id is not None, "keys are bound to the row's id"
    if access_key is not None and secret_key is not None:
        row.access_key = access_key
        row.secret_key_sealed = keys.seal(secret_key, context=_context(row.id, "secret_key"))
    if api_key is not None:
        row.api_key_sealed = keys.seal(api_key, context=_context(row.id, "api_key"))
    if webhook_secret is not None:
        row.webhook_secret_sealed = keys.seal(
            webhook_secret, context=_context(row.id, "webhook_secret")
        )
    if proxy_password is not None:
        row.proxy_password_sealed = keys.seal(
            proxy_password, context=_context(row.id, "proxy_password")
        )


def _opened(row: tables.Channel, opened: Callable[[str, str], str | None]) -> OpenedChannel:
    def open_(sealed: str | None, name: str) -> str | None:
        return None if sealed is None else opened(sealed, _context(row.id, name))

    return OpenedChannel(
        id=row.id,
        name=row.name,
        base_url=row.base_url,
        access_key=row.access_key,
        secret_key=open_(row.secret_key_sealed, "secret_key"),
        api_key=open_(row.api_key_sealed, "api_key"),
        webhook_secret=open_(row.webhook_secret_sealed, "webhook_secret"),
        priority=row.priority,
        weight=row.weight,
        enabled=row.enabled,
        is_draining=row.is_draining,
        groups=frozenset(row.groups),
        models=frozenset(row.models),
        room=row.room,
        callback_at=row.callback_at,
        way=way_of(row, open_(row.proxy_password_sealed, "proxy_password")),
        is_sandbox=row.is_sandbox,
        confirmed_lookups=frozenset(row.confirmed_lookups),
    )


def way_of(row: tables.Channel, proxy_password: str | None = None) -> Way | None:
    """Read what a channel has of its own; without a password that could not be opened.

    Then its proxy refuses, and nothing goes out another way.
    """
    proxy = None if row.proxy is None else read_proxy(row.proxy)
    if proxy is not None:
        proxy = msgspec.structs.replace(proxy, password=proxy_password)
    way = Way(proxy, row.ca_pem, row.connect_timeout_s, row.timeout_s)
    return None if way.is_usual else way


def _context(channel_id: int, name: str) -> str:
    return f"channels/{channel_id}/{name}"


SEALED = tuple(
    SealedColumn(tables.Channel, f"{name}_sealed", partial(_context, name=name))
    for name in ("secret_key", "api_key", "webhook_secret", "proxy_password")
)
