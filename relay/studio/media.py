"""Files in a create: URLs, ids of assets, or base64, which is kept as an asset where it can be."""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from relay.assets.reserve import OverLimit
from relay.assets.spool import NotKept
from relay.assets.store import StoreFailed
from relay.assets.uploader import Uploader, UploadsOff
from relay.errors import FilesFull, InvalidParameter, Unavailable
from relay.kling.media import SCHEME
from relay.studio.capabilities.capability import Body, Capability, Media

DATA = re.compile(r"data:[a-z0-9.+/-]{0,100};base64,", re.IGNORECASE)
"""What browsers put before base64, and Kling refuses (docs/kling-api.md 12)."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PIECE = 256 * 1024


class Files:
    """Puts files where Kling finds them, and says what is remembered of them."""

    def __init__(self, uploader: Uploader) -> None:
        self._uploader = uploader

    async def put(self, tenant_id: int, capability: Capability, body: Body) -> dict[str, Any]:
        """Change a body's files to what Kling takes; returns the body as it is to be remembered.

        Raises:
            InvalidParameter: it is no file that is taken.
            FilesFull, Unavailable: it cannot be kept.
        """
        remembered: dict[str, str] = {}
        for media in capability.media:
            value = getattr(body, media.name, msgspec.UNSET)
            setattr(body, media.name, await self._put_one(tenant_id, media, value, remembered))
        kept: dict[str, Any] = _shown(msgspec.to_builtins(body), remembered)
        return kept

    async def put_values(
        self, tenant_id: int, media: Sequence[Media], values: dict[str, Any]
    ) -> dict[str, Any]:
        """Do the same to values by their names; they are changed in place.

        Raises:
            InvalidParameter, FilesFull, Unavailable: as `put`.
        """
        remembered: dict[str, str] = {}
        for one in media:
            if one.name in values:
                value = values[one.name]
                values[one.name] = await self._put_one(tenant_id, one, value, remembered)
        kept: dict[str, Any] = _shown(values, remembered)
        return kept

    async def _put_one(
        self, tenant_id: int, media: Media, value: Any, remembered: dict[str, str]
    ) -> Any:
        async def swap(text: str) -> str:
            put, shown = await self._swap(tenant_id, media, text)
            if shown != put:
                remembered[put] = shown
            return put

        return await _each(value, swap)

    async def _swap(self, tenant_id: int, media: Media, text: str) -> tuple[str, str]:
        """Say what is sent in a text's place, and what is remembered of it."""
        if _UUID.fullmatch(text):
            return (f"{SCHEME}{UUID(text)}",) * 2
        if text.startswith(("http://", "https://", SCHEME)) or not text:
            return text, text
        content = _decoded(media, DATA.sub("", text, count=1))
        if media.is_video:
            raise InvalidParameter(media.name, "must be a URL or an asset: Kling takes no video so")
        try:
            kept = await self._uploader.take(tenant_id, _pieces(content), size=len(content))
        except UploadsOff:
            spelt = base64.b64encode(content).decode()
            return spelt, f"base64 of {len(content)} bytes, sha256 {sha256(content).hexdigest()}"
        except OverLimit as error:
            raise FilesFull from error
        except NotKept as error:
            raise InvalidParameter(media.name, str(error)) from error
        except StoreFailed as error:
            raise Unavailable from error
        return (f"{SCHEME}{kept.public_id}",) * 2


async def _each(value: Any, swap: Callable[[str], Awaitable[str]]) -> Any:
    if isinstance(value, str):
        return await swap(value)
    if isinstance(value, list):
        return [await swap(one) for one in value]
    return value


def _decoded(media: Media, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameter(
            media.name, "must be a URL, the id of an asset, or base64"
        ) from error


def _shown(value: Any, remembered: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _shown(one, remembered) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(one, remembered) for one in value]
    return remembered.get(value, value) if isinstance(value, str) else value


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
