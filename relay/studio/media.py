"""Files in a create: URLs, ids of assets, or base64, which is kept as an asset where it can be."""

import base64
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from relay.assets.reserve import OverLimit
from relay.assets.spool import NotKept
from relay.assets.store import StoreFailed
from relay.assets.uploader import Uploader, UploadsOff
from relay.database.faults import log_failure
from relay.errors import FilesFull, InvalidParameter, RelayError, Unavailable
from relay.kling.media import SCHEME
from relay.runs.begin import BODY_BYTES_MAX
from relay.studio.capabilities.capability import Body, Capability, Media

log = structlog.get_logger()

DATA = re.compile(r"data:[a-z0-9.+/-]{0,100};base64,", re.IGNORECASE)
"""What browsers put before base64, and Kling refuses (docs/kling-api.md 12)."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PIECE_CHARS = 256 * 1024
"""Of base64 that is decoded in one go: half a millisecond, in which nobody else is served."""


class PutFiles(NamedTuple):
    """What became of the files of a create."""

    shown: dict[str, Any]
    """The body as it is to be remembered."""
    named: dict[str, str]
    """Each that it names by its id, `asset://…`, with the field that does."""


class Files:
    """Puts files where Kling finds them, and says what is remembered of them."""

    def __init__(self, uploader: Uploader) -> None:
        self._uploader = uploader

    @asynccontextmanager
    async def put(
        self, tenant_id: int, capability: Capability, body: Body
    ) -> AsyncIterator[PutFiles]:
        """Change a body's files to what Kling takes.

        What is kept of a create that is refused within is kept no more. Should this process die
        before, it ends in its time, as every upload.

        Raises:
            InvalidParameter: it is no file that is taken.
            FilesFull, Unavailable: it cannot be kept.
        """
        async with self._putting(tenant_id) as putting:
            for media in capability.media:
                value = getattr(body, media.name, msgspec.UNSET)
                setattr(body, media.name, await putting.put(media, value))
            yield PutFiles(putting.shown(msgspec.to_builtins(body)), putting.named)

    @asynccontextmanager
    async def put_values(
        self, tenant_id: int, media: Sequence[Media], values: dict[str, Any]
    ) -> AsyncIterator[PutFiles]:
        """Do the same to values by their names; they are changed in place.

        Raises:
            InvalidParameter, FilesFull, Unavailable: as `put`.
        """
        async with self._putting(tenant_id) as putting:
            for one in media:
                if one.name in values:
                    values[one.name] = await putting.put(one, values[one.name])
            yield PutFiles(putting.shown(values), putting.named)

    @asynccontextmanager
    async def _putting(self, tenant_id: int) -> AsyncIterator["_Putting"]:
        putting = _Putting(self._uploader, tenant_id)
        try:
            yield putting
        except RelayError:  # of no other error is it known that nothing was written
            await putting.take_back()
            raise


class _Putting:
    """The files of one create."""

    def __init__(self, uploader: Uploader, tenant_id: int) -> None:
        self._uploader = uploader
        self._tenant_id = tenant_id
        self._remembered: dict[str, str] = {}
        self._new: list[UUID] = []
        self.named: dict[str, str] = {}

    async def put(self, media: Media, value: Any) -> Any:
        """Say what is sent in a field's place, a text or a list of them."""
        if isinstance(value, str):
            return await self._swap(media, value)
        if isinstance(value, list):
            return [await self._swap(media, one) for one in value]
        return value

    def shown(self, value: Any) -> Any:
        """Say what is remembered of a body."""
        if isinstance(value, dict):
            return {name: self.shown(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.shown(one) for one in value]
        return self._remembered.get(value, value) if isinstance(value, str) else value

    async def take_back(self) -> None:
        """Keep no more what is kept since this create came."""
        if not self._new:
            return
        try:
            await self._uploader.take_back(self._tenant_id, self._new)
        except Exception as error:  # noqa: BLE001 (told in the log)
            log_failure(log, "asset.not_taken_back", error, count=len(self._new))

    async def _swap(self, media: Media, text: str) -> str:
        if _UUID.fullmatch(text):
            return self._named(media, f"{SCHEME}{UUID(text)}")
        if text.startswith(SCHEME):
            return self._named(media, text)
        if text.startswith(("http://", "https://")) or not text:
            return text
        if media.is_video:
            raise InvalidParameter(media.name, "must be a URL or an asset: Kling takes no video so")
        prefix = DATA.match(text)
        start = 0 if prefix is None else prefix.end()
        try:
            kept = await self._uploader.take(
                self._tenant_id, _decoded(media, text, start), size=None
            )
        except UploadsOff:
            return await self._spelt(media, text, start)
        except OverLimit as error:
            raise FilesFull from error
        except NotKept as error:
            raise InvalidParameter(media.name, str(error)) from error
        except StoreFailed as error:
            raise Unavailable from error
        if kept.is_new:
            self._new.append(kept.public_id)
        return f"{SCHEME}{kept.public_id}"

    def _named(self, media: Media, text: str) -> str:
        self.named.setdefault(text, media.name)
        return text

    async def _spelt(self, media: Media, text: str, start: int) -> str:
        """Send base64 itself, as Kling takes it; of it a hash is remembered."""
        if len(text) - start > BODY_BYTES_MAX:
            raise InvalidParameter(
                media.name,
                "must be a URL: nothing is kept here for this tenant, and a create has at most"
                " 1 MB of base64",
            )
        content = b"".join([piece async for piece in _decoded(media, text, start)])
        spelt = base64.b64encode(content).decode()
        self._remembered[spelt] = f"base64 of {len(content)} bytes, sha256 {_hash(content)}"
        return spelt


async def _decoded(media: Media, text: str, start: int) -> AsyncIterator[bytes]:
    """Decode base64 from `start` on, a piece at a time: all of it may be 60 MB.

    Raises:
        InvalidParameter: it is none.
    """
    rest, is_over = "", False
    for at in range(start, len(text), PIECE_CHARS):
        chars = rest + "".join(text[at : at + PIECE_CHARS].split())
        whole = len(chars) - len(chars) % 4
        chars, rest = chars[:whole], chars[whole:]
        try:
            piece = base64.b64decode(chars, validate=True)
        except ValueError as error:  # binascii's own is one too
            raise InvalidParameter(
                media.name, "must be a URL, the id of an asset, or base64"
            ) from error
        if is_over and chars:
            break
        is_over = is_over or chars.endswith("=")
        yield piece
    else:
        if not rest:
            return
    raise InvalidParameter(media.name, "must be a URL, the id of an asset, or base64")


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
