"""Ids that a Kling account shows to everybody, from its lists of presets."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from relay.channels.opened import OpenedChannel
from relay.errors import Unavailable
from relay.kling.catalogue import Catalogue
from relay.kling.codes import ABOUT_THE_ACCOUNT, Code
from relay.kling.endpoint import Endpoint, EndpointKind, Resource
from relay.kling.references import NamedResource
from relay.kling.transport import NoUsableReply
from relay.kling.wire import read_any, read_envelope
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


class Presets:
    """Knows the presets of every channel; a miss fetches them again."""

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

    async def has(self, channel: OpenedChannel, one: NamedResource) -> bool:
        """Tell whether all may use it on this channel's account.

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

    async def _fetch(self, channel: OpenedChannel, kind: Resource) -> tuple[frozenset[str], bool]:
        """Fetch every id of the lists, and whether all of them answered."""
        ids: set[str] = set()
        is_whole = True
        for name in PRESETS[kind]:
            endpoint = self._catalogue.of(name)
            assert endpoint.kind is EndpointKind.READ, "presets are read"
            for page in range(1, PRESET_PAGES_MAX + 1):
                items = await self._page(channel, endpoint, page)
                is_whole = is_whole and items is not None
                ids |= _ids(items or [], kind)
                if len(items or []) < PAGE_SIZE:
                    break
        return frozenset(ids), is_whole

    async def _page(
        self, channel: OpenedChannel, endpoint: Endpoint, page: int
    ) -> list[Any] | None:
        """Read one page; None without a usable answer. A list that Kling does not have is empty."""
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
    """Collect every element_id or voice_id in a page, at whatever depth it stands."""
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
