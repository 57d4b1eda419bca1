"""Channels as the operator writes them."""

import base64
import binascii
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.directory import seal_into
from relay.channels.tables import Channel
from relay.secrets import KeyRing

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 (the public beginning of every such secret)


class ChannelKeys(msgspec.Struct, frozen=True):
    """New keys of a channel; None leaves what it has. Never log one."""

    access_key: str | None = None
    secret_key: str | None = None
    api_key: str | None = None
    webhook_secret: str | None = None

    def __repr__(self) -> str:
        return "ChannelKeys(...)"


class NameTaken(ValueError):
    """Another channel has this name. Nothing was written."""


async def add_channel(
    session: AsyncSession,
    keys: KeyRing,
    *,
    name: str,
    base_url: str,
    channel_keys: ChannelKeys,
    priority: int,
    weight: int,
) -> Channel:
    """Add a channel, enabled; `base_url` is normalised already.

    Raises:
        NameTaken
    """
    await _refuse_taken(session, name)
    # Its keys are sealed for its id, and a row without keys is refused by a constraint.
    next_id = await session.scalar(text("SELECT nextval(pg_get_serial_sequence('channels', 'id'))"))
    row = Channel(id=next_id, name=name, base_url=base_url, priority=priority, weight=weight)
    put_keys(row, keys, channel_keys)
    session.add(row)
    await session.flush()
    return row


def put_keys(row: Channel, keys: KeyRing, new: ChannelKeys) -> None:
    seal_into(row, keys, **msgspec.structs.asdict(new))


async def rename_channel(session: AsyncSession, row: Channel, name: str) -> None:
    """Rename it; raises NameTaken."""
    if name != row.name:
        await _refuse_taken(session, name)
        row.name = name


async def find_channel(session: AsyncSession, name: str) -> Channel | None:
    return await session.scalar(select(Channel).where(Channel.name == name))


async def channel_names(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(Channel.name).order_by(Channel.name)))


async def read_rows(session: AsyncSession) -> list[Channel]:
    """Read every channel with its keys sealed, in the order they are tried."""
    order = (Channel.priority.desc(), Channel.weight.desc(), Channel.name)
    return list(await session.scalars(select(Channel).order_by(*order)))


def normalised_base_url(url: str) -> str:
    """Cut what clients write behind the host: a trailing slash, `/v1`.

    Raises:
        ValueError: with a sentence.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"'{url}' is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(
            f"'{url}' must begin with https://, such as https://api-singapore.klingai.com"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a base URL has no user, no query and no fragment")
    if not url.isascii() or not url.strip().isprintable() or " " in url.strip():
        raise ValueError("a base URL has ASCII characters only, and no white space")
    path = parts.path.rstrip("/")
    path = path.removesuffix("/v1").rstrip("/")
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{f':{port}' if port is not None else ''}{path}"


def checked_webhook_secret(secret: str) -> str:
    """Check a Standard Webhooks secret: `whsec_` and base64 (docs/kling-api.md 6).

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is 'whsec_' and base64, as Kling's console shows it")
    return secret


async def _refuse_taken(session: AsyncSession, name: str) -> None:
    if await find_channel(session, name) is not None:
        raise NameTaken(f"there is a channel '{name}' already")
