"""Files that a create names by their ids: told to be its tenant's own, and put where Kling looks.

    asset://{public id}

It is looked up before anything is held, and gets its suffix then; it becomes a link of ours as the
task is sent, so that the link is as good as new though the task has waited for hours. Where there
is no address of ours that Kling could read, a picture or sound is sent as base64.
"""

import base64
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec

from relay.assets.kept import Kept
from relay.assets.kinds import SUFFIXES
from relay.assets.links import AssetLinks
from relay.assets.statements import NAMED
from relay.assets.store import AssetStore
from relay.body_budget import BodyBudget, Share
from relay.database.driver import Pool
from relay.errors import InvalidParameter
from relay.kling.media import SCHEME, Media, swap_media
from relay.kling.wire import Fields

NAMED_MAX = 50
"""In one create, each as often as it is named; Kling's own limits are far below."""
BASE64_BYTES_MAX = 10 * 1024 * 1024
"""What Kling takes of a picture (docs/kling-api.md 12), and a request of ours should hold."""
BASE64_IN_ALL_MAX = 5 * BASE64_BYTES_MAX
"""Of what a create names, each as often as it does: it is all in memory at once."""
_NAME = re.compile(r"asset://([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.([a-z0-9]{1,8}))?")
_TYPES = {suffix: content_type for content_type, suffix in SUFFIXES.items()}


class _Named(msgspec.Struct):
    media: Media
    public_id: UUID
    times: int = 0


class GivenAssets:
    """Finds what creates name, and puts it where Kling finds it."""

    def __init__(
        self, pool: Pool, store: AssetStore, links: AssetLinks, budget: BodyBudget
    ) -> None:
        """`budget`: of bodies in memory; what stands in one as base64 is in it too."""
        self._pool = pool
        self._store = store
        self._links = links
        self._budget = budget

    async def check(self, tenant_id: int, endpoint: str, fields: Fields) -> Fields:
        """Look up what a create names; returns fields anew, with the suffixes of those files.

        Those that were given come back if it names none: then there is nothing to `put`.

        Raises:
            InvalidParameter: it names what its tenant has not, or what cannot be sent from here.
        """
        named = _read(endpoint, fields)
        if not named:
            return fields
        kept = await self._find(tenant_id, named)
        in_all = 0
        for text, one in named.items():
            found = kept.get(one.public_id)
            if found is None:
                raise InvalidParameter(one.media.name, f"names no file that is kept: {text}")
            in_all += one.times * found.bytes
            is_too_much = not _fits_base64(one.media, found) or in_all > BASE64_IN_ALL_MAX
            if is_too_much and not self._links.are_on:
                raise InvalidParameter(one.media.name, f"cannot be sent by its id: {text}")

        def with_suffix(_: Media, text: str) -> str:
            found = kept[named[text].public_id]
            suffix = SUFFIXES.get(found.content_type, "bin")
            return f"{SCHEME}{named[text].public_id}.{suffix}"

        return dict(swap_media(endpoint, fields, with_suffix))

    @asynccontextmanager
    async def put(
        self,
        endpoint: str,
        fields: Fields,
        *,
        tenant_id: int,
        account_id: int,
        beside: Share | None = None,
    ) -> AsyncIterator[Fields]:
        """Put links, or the content itself, where a create that was checked names files.

        To be left once it was sent: the content is in the budget of bodies for so long, and waits
        for room there. `beside`: what the create's own body has of it. Gives the fields themselves
        if it names none. What is no more is left for Kling to refuse.

        Raises:
            StoreFailed: of content that cannot be read now.
        """
        named = _read(endpoint, fields)
        if not named:
            yield fields
            return
        if self._links.are_on:
            yield swap_media(endpoint, fields, self._link)
            return
        kept = await self._find(tenant_id, named)
        found = {text: one for text, one in named.items() if one.public_id in kept}
        size = sum(one.times * _base64_bytes(kept[one.public_id]) for one in found.values())
        async with self._budget.more(account_id, size, beside=beside):
            yield await self._with_content(
                endpoint, fields, {text: kept[one.public_id] for text, one in found.items()}
            )

    async def _with_content(self, endpoint: str, fields: Fields, kept: dict[str, Kept]) -> Fields:
        contents = {text: await self._base64(one) for text, one in kept.items()}
        return swap_media(endpoint, fields, lambda _, text: contents.get(text, text))

    def _link(self, _: Media, text: str) -> str:
        found = _NAME.fullmatch(text)
        if found is None:
            return text
        content_type = _TYPES.get(found[2] or "", "")
        url = self._links.url(UUID(found[1]), content_type, now_s=time.time(), is_for_kling=True)
        return url or text

    async def _find(self, tenant_id: int, named: dict[str, _Named]) -> dict[UUID, Kept]:
        rows = await self._pool.fetch(
            NAMED, tenant_id, list({one.public_id for one in named.values()})
        )
        return {row["public_id"]: Kept(*row[1:]) for row in rows}

    async def _base64(self, kept: Kept) -> str:
        pieces = [piece async for piece in self._store.read(kept.key, last=kept.bytes - 1)]
        return base64.b64encode(b"".join(pieces)).decode()


def _read(endpoint: str, fields: Fields) -> dict[str, _Named]:
    """Read what a create names, each by its text.

    Raises:
        InvalidParameter: it is no id, or they are too many.
    """
    named: dict[str, _Named] = {}
    times = 0

    def note(media: Media, text: str) -> str:
        nonlocal times
        found = _NAME.fullmatch(text)
        if found is None:
            raise InvalidParameter(media.name, "names no file that is kept")
        times += 1
        if times > NAMED_MAX:
            raise InvalidParameter(media.name, f"names files more than {NAMED_MAX} times")
        named.setdefault(text, _Named(media, UUID(found[1]))).times += 1
        return text

    swap_media(endpoint, fields, note)
    return named


def _base64_bytes(kept: Kept) -> int:
    return (kept.bytes + 2) // 3 * 4


def _fits_base64(media: Media, kept: Kept) -> bool:
    is_video = kept.content_type.startswith("video/")
    return media.takes_base64 and not is_video and kept.bytes <= BASE64_BYTES_MAX
