"""Which channels may take a request: the owner of what it names, else all that are able.

An id of another tenant, and one that we never learned, are refused as if they did not exist (T4),
unless the account shows it to everybody as a preset.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from relay.channels.channel import Channel
from relay.channels.choose import in_order
from relay.channels.directory import ChannelDirectory
from relay.database.driver import Pool
from relay.errors import InvalidParameter, Unavailable
from relay.kling.catalogue import Catalogue
from relay.kling.codes import ABOUT_THE_ACCOUNT, Code
from relay.kling.endpoint import Endpoint, Kind, Resource
from relay.kling.references import Named
from relay.kling.transport import NoUsableReply
from relay.kling.wire import read_any, read_envelope
from relay.owners.own import find_owners
from relay.tasks.upstream import Upstream

log = structlog.get_logger()

PRESETS = {
    Resource.ELEMENT: ("advanced-presets-elements", "presets-elements"),
    Resource.VOICE: ("presets-voices",),
}
PRESETS_KEPT_BACK = ABOUT_THE_ACCOUNT - {Code.NO_PERMISSION}
"""Answers after which the lists may still have the id; without permission there is no list."""
PRESETS_AGE_MIN_S = 60.0
"""How often at most a miss asks Kling again."""
PRESET_PAGES_MAX = 20
PAGE_SIZE = 500
ASK_TIMEOUT_S = 10.0


class Places:
    """Finds channels for requests."""

    def __init__(
        self, pool: Pool, directory: ChannelDirectory, upstream: Upstream, catalogue: Catalogue
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._presets = Presets(upstream, catalogue)
        self._chance = random.Random()  # noqa: S311 (balances load, guards nothing)

    async def channels_for(
        self, tenant_id: int, endpoint: Endpoint, named: list[Named]
    ) -> list[Channel]:
        """The channels that may take it, in the order to try them; at least one.

        Raises:
            InvalidParameter: it names what is not this tenant's, or things of two accounts.
            Unavailable: no channel, or the owner is off.
        """
        channels = in_order(await self._directory.all(), endpoint, chance=self._chance)
        if named and channels:
            tied = await self._tied(tenant_id, endpoint, named, channels)
            if tied is not None:
                channels = [channel for channel in channels if channel.id in tied]
        if not channels:
            log.error("submit.no_channel", endpoint=endpoint.name)
            raise Unavailable
        return channels

    async def _tied(
        self, tenant_id: int, endpoint: Endpoint, named: list[Named], channels: list[Channel]
    ) -> set[int] | None:
        """The channels that all named things live on, usually one; None if nothing is tied."""
        owners = await find_owners(self._pool, [one.id for one in named])
        tied: set[int] | None = None
        for one in named:
            of_it = [owner for owner in owners if (owner.kind, owner.id) == (one.kind, one.id)]
            own = {owner.channel_id for owner in of_it if owner.tenant_id == tenant_id}
            if not own:
                if of_it or not await self._is_shared(one, endpoint, channels):
                    raise _not_found(one)
                continue
            tied = own if tied is None else tied & own
            if not tied:
                raise _not_found(one)
        return tied

    async def _is_shared(self, one: Named, endpoint: Endpoint, channels: list[Channel]) -> bool:
        if endpoint.deletes is not None:
            return False
        if endpoint.has_fixed_voices and one.kind is Resource.VOICE:
            return True
        for channel in channels:
            with suppress(Unavailable):
                return await self._presets.has(channel, one)
        # None of them tells: it may be there.
        raise Unavailable


class Presets:
    """Ids that an account shows to everybody, from its preset lists; fetched again on a miss."""

    def __init__(
        self,
        upstream: Upstream,
        catalogue: Catalogue,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._catalogue = catalogue
        self._clock = clock
        self._known: dict[tuple[int, Resource], _Known] = {}

    async def has(self, channel: Channel, one: Named) -> bool:
        """Whether all may use it on this channel's account.

        Raises:
            Unavailable: the lists could not be read, so nobody knows.
        """
        if one.kind not in PRESETS:
            return False
        known = self._known.setdefault((channel.id, one.kind), _Known())
        if one.id in known.ids:
            return True
        # One at a time, and who waited does not ask again: ids that there are not cost no flood.
        async with known.lock:
            if self._clock() - known.asked_at > PRESETS_AGE_MIN_S:
                known.asked_at = self._clock()
                try:
                    async with asyncio.timeout(ASK_TIMEOUT_S):
                        ids, known.is_whole = await self._fetch(channel, one.kind)
                except TimeoutError:
                    ids, known.is_whole = frozenset(), False
                # What could not be read this time is still there.
                known.ids = ids if known.is_whole else known.ids | ids
        if one.id not in known.ids and not known.is_whole:
            raise Unavailable
        return one.id in known.ids

    async def _fetch(self, channel: Channel, kind: Resource) -> tuple[frozenset[str], bool]:
        """Every id of the lists, and whether all of them answered."""
        ids: set[str] = set()
        is_whole = True
        for name in PRESETS[kind]:
            endpoint = self._catalogue.of(name)
            assert endpoint.kind is Kind.READ, "presets are read"
            for page in range(1, PRESET_PAGES_MAX + 1):
                items = await self._page(channel, endpoint, page)
                is_whole = is_whole and items is not None
                ids |= _ids(items or [], kind)
                if len(items or []) < PAGE_SIZE:
                    break
        return frozenset(ids), is_whole

    async def _page(self, channel: Channel, endpoint: Endpoint, page: int) -> list[Any] | None:
        """One page; None without a usable answer. A list that Kling does not have is empty."""
        try:
            reply = await self._upstream.read(
                channel,
                endpoint,
                f"pageNum={page}&pageSize={PAGE_SIZE}".encode(),
                timeout_s=ASK_TIMEOUT_S,
            )
        except NoUsableReply as error:
            log.warning("presets.unread", channel=channel.name, reason=error.reason)
            return None
        envelope = read_envelope(reply)
        if envelope is None or reply.status >= 500 or envelope.code in PRESETS_KEPT_BACK:  # noqa: PLR2004
            log.warning("presets.unread", channel=channel.name, reason=f"HTTP {reply.status}")
            return None
        items = read_any(envelope.data) if isinstance(envelope.data, msgspec.Raw) else []
        return items if isinstance(items, list) else []


class _Known:
    """What one account shows of one kind, and when it was asked."""

    def __init__(self) -> None:
        self.ids: frozenset[str] = frozenset()
        self.is_whole = False
        self.asked_at = float("-inf")
        self.lock = asyncio.Lock()


def _ids(items: list[Any], kind: Resource) -> set[str]:
    """Every element_id or voice_id in a page, at whatever depth the list keeps them."""
    name = f"{kind.value}_id"
    found: set[str] = set()
    queue: list[Any] = list(items)
    while queue:
        item = queue.pop()
        if isinstance(item, dict):
            if isinstance(item.get(name), str | int):
                found.add(str(item[name]))
            queue.extend(item.values())
        elif isinstance(item, list):
            queue.extend(item)
    return found


def _not_found(one: Named) -> InvalidParameter:
    return InvalidParameter(one.field, f"{one.kind.value} not found")
