"""Kling accounts of a new-api's channels: each key one, each account once."""

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.checks import normalised_base_url
from relay.channels.directory import find_same_account
from relay.channels.edit import ChannelKeys
from relay.channels.groups import spelt
from relay.channels.read import channel_names
from relay.desk.moving.names import Names, group_named
from relay.desk.moving.plan import ChannelLine, Choices, Verdict
from relay.kling.proxy import read_proxy
from relay.new_api.rows import Channel
from relay.secrets import KeyRing

PRIORITY_MAX = 1000
WEIGHT_MAX = 1000
KLINGS_HOSTS = frozenset({"", "api.klingai.com"})
"""New-api's own default, which Kling has replaced by one host for each region."""


async def plan_channels(
    session: AsyncSession, keys: KeyRing, channels: Iterable[Channel], choices: Choices
) -> list[ChannelLine]:
    """Plan each account that channels name a key of; one that is here already stays as it is."""
    names = Names(await channel_names(session))
    planned: dict[str, ChannelLine] = {}
    left_out: list[ChannelLine] = []
    for channel in channels:
        for number, key in enumerate(channel.keys, 1):
            name = channel.name or f"channel {channel.id}"
            name += f" {number}" if len(channel.keys) > 1 else ""
            line = _read(channel, key.text, name, choices, is_enabled=key.is_enabled)
            if line.keys is None:
                left_out.append(line)
                continue
            access_key = str(line.keys.access_key)
            if access_key in planned:
                planned[access_key] = _merged(planned[access_key], line)
                continue
            found = await find_same_account(session, keys, access_key=access_key, api_key=None)
            if found:
                missing = sorted(set(line.groups) - found[0].groups)
                note = f"there it is in {', '.join(missing)} too" if missing else ""
                planned[access_key] = msgspec.structs.replace(
                    line, verdict=Verdict.SAME, name=found[0].name, note=note
                )
            else:
                free = names.take(line.name, otherwise=f"channel {channel.id}")
                planned[access_key] = msgspec.structs.replace(line, name=free)
    return [*planned.values(), *left_out]


def is_upstream(key: str) -> bool:
    """Tell a key of another new-api from one of Kling's."""
    return key.startswith("sk-")


def _read(
    channel: Channel, key: str, name: str, choices: Choices, *, is_enabled: bool
) -> ChannelLine:
    """Read one key as an account; without `keys` where it cannot be one."""
    try:
        keys = _keys(key)
        base_url = _base_url(channel.base_url, choices)
        proxy = None if channel.proxy is None else read_proxy(channel.proxy)
    except ValueError as error:
        return ChannelLine(Verdict.LEFT_OUT, name, (channel.name,), note=str(error))
    models = (channel.renamed.get(model, model).lower() for model in channel.models)
    return ChannelLine(
        Verdict.NEW,
        name,
        (channel.name,),
        keys=keys,
        base_url=base_url,
        groups=tuple(spelt(map(group_named, channel.groups))),
        models=tuple(spelt(models)),
        priority=max(-PRIORITY_MAX, min(PRIORITY_MAX, channel.priority)),
        weight=min(WEIGHT_MAX, channel.weight),
        proxy=proxy,
        is_enabled=is_enabled,
    )


def _keys(text: str) -> ChannelKeys:
    if is_upstream(text):
        raise ValueError("it leads to another new-api, which does not answer as Kling does")
    parts = [part.strip() for part in text.split("|")]
    if len(parts) != 2 or not all(parts) or not text.isascii() or not text.isprintable():  # noqa: PLR2004 (a pair)
        raise ValueError("its key is no AccessKey|SecretKey")
    return ChannelKeys(access_key=parts[0], secret_key=parts[1])


def _base_url(given: str, choices: Choices) -> str | None:
    """Say where it leads; None is to be found out by its keys."""
    if (urlsplit(given).hostname or "") in KLINGS_HOSTS:
        return choices.base_url
    return normalised_base_url(given)


def _merged(first: ChannelLine, other: ChannelLine) -> ChannelLine:
    """Put two channels of one account together."""
    takes_all = not first.models or not other.models
    return msgspec.structs.replace(
        first,
        of=(*first.of, *(name for name in other.of if name not in first.of)),
        groups=tuple(spelt((*first.groups, *other.groups))),
        models=() if takes_all else tuple(spelt((*first.models, *other.models))),
        priority=max(first.priority, other.priority),
        is_enabled=first.is_enabled or other.is_enabled,
        proxy=first.proxy or other.proxy,
    )
