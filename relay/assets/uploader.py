"""What tenants send to be kept: streamed to disk, told what it is, and put away once.

An upload is told by its content alone, whatever it is called or said to be; it is a picture, video
or sound that Kling takes, and nothing that a browser runs. The same content sent again is the
upload that it was, kept for longer.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from relay.assets.copier import UPLOAD
from relay.assets.kinds import HEAD_BYTES, kind_of
from relay.assets.reserve import OverLimit, reserve
from relay.assets.spool import NotKept, Spool, TooLarge
from relay.assets.statements import (
    AGAIN,
    KEEP_UPLOAD,
    LOCK_TENANT,
    MAY_UPLOAD,
    TAKE_BACK,
)
from relay.assets.store import AssetStore, StoreFailed, key_of
from relay.counts import Counts
from relay.database.driver import Pool

log = structlog.get_logger()

MB = 1024 * 1024
LARGEST: Final = {
    "image/jpeg": 50 * MB,
    "image/png": 50 * MB,
    "video/mp4": 200 * MB,
    "video/quicktime": 200 * MB,
    "audio/mpeg": 20 * MB,
    "audio/x-wav": 20 * MB,
    "audio/mp4": 20 * MB,
}
"""What is taken, up to the most that any field of Kling's takes of it (docs/kling-api.md 12); of
sounds for voices it says nothing. A field may take less, and Kling then says so."""
KINDS_SAID = "a jpeg or png picture, an mp4 or mov video, or an mp3, wav or m4a sound"


class UploadsOff(Exception):
    """The tenant may keep nothing."""


class Uploaded(msgspec.Struct, frozen=True):
    """An upload that is kept."""

    public_id: UUID
    is_new: bool
    """False of what was kept already, and is kept for longer now."""


class Uploader:
    """Takes uploads."""

    def __init__(
        self, pool: Pool, store: AssetStore, *, days: int, bytes_max: int, counts: Counts
    ) -> None:
        """`days`: for how long one is kept; 0 takes none. `bytes_max`: of who has no bound."""
        self._pool = pool
        self._store = store
        self._days = days
        self._bytes_max = bytes_max
        self._counts = counts

    async def take(
        self, tenant_id: int, pieces: AsyncIterator[bytes], *, size: int | None
    ) -> Uploaded:
        """Keep one; `size`: how long it is said to be, if it is.

        Raises:
            UploadsOff, OverLimit, NotKept, TooLarge: nothing is kept of it.
            StoreFailed: it cannot be kept now.
        """
        bytes_max = await self._check(tenant_id, size)
        with Spool(self._store.spool_folder(), bytes_max=bytes_max) as spool:
            await spool.take(_looked_at(pieces))
            _check_kind(spool.kind, spool.bytes)
            content_type = spool.content_type
            object_id, is_stored = await reserve(
                *(self._pool, tenant_id, spool.sha256, spool.bytes), uploads_max=self._bytes_max
            )
            if not is_stored:
                await self._store.put(
                    key_of(tenant_id, spool.sha256, object_id),
                    spool.file,
                    size=spool.bytes,
                    content_type=content_type,
                )
            kept = await self._keep(tenant_id, object_id, content_type)
        self._counts.asset_copies.add(UPLOAD)
        self._counts.asset_bytes.add(amount=spool.bytes)
        log.info(
            "asset.uploaded",
            tenant_id=tenant_id,
            asset=str(kept.public_id),
            bytes=spool.bytes,
            content_type=content_type,
            is_new=kept.is_new,
        )
        return kept

    async def take_back(self, tenant_id: int, kept: Sequence[UUID]) -> None:
        """End uploads that were new, unless the same content was sent again meanwhile."""
        await self._pool.execute(TAKE_BACK, tenant_id, list(kept), self._days)

    async def _check(self, tenant_id: int, size: int | None) -> int:
        """Say how large one may be, before any of it is read."""
        found = await self._pool.fetchrow(MAY_UPLOAD, tenant_id)
        if not self._days or found is None:
            raise UploadsOff
        most: int | None = found["asset_bytes_max"]
        largest = max(LARGEST.values())
        if size is not None and size > largest:
            raise TooLarge(f"it has more than {largest:,} bytes")
        # The same content again takes nothing more: of one that does not fit, nobody knows yet.
        if most is not None and size is not None and size > most:
            raise OverLimit(most)
        return largest if most is None else min(largest, most)

    async def _keep(self, tenant_id: int, object_id: int, content_type: str) -> Uploaded:
        """Say that the content is in the store, in the row of the same upload before, if any."""
        async with self._pool.begin() as connection:
            await connection.fetchval(LOCK_TENANT, tenant_id)
            again = await connection.fetchval(AGAIN, tenant_id, object_id, self._days)
            if again is not None:
                return Uploaded(again, is_new=False)
            made = await connection.fetchval(
                KEEP_UPLOAD, tenant_id, object_id, content_type, self._days
            )
        if made is None:
            raise StoreFailed("its content was on its way out of the store")
        return Uploaded(made, is_new=True)


async def _looked_at(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass them on until it is plain that they are none of what is taken, or too long for it.

    Raises:
        NotKept, TooLarge
    """
    head, size, most = b"", 0, None
    async for piece in pieces:
        size += len(piece)
        if most is None:
            head += piece[: HEAD_BYTES - len(head)]
            if len(head) == HEAD_BYTES:
                most = _check_kind(kind_of(head), size)
        elif size > most:
            raise _too_large(most)
        yield piece


def _check_kind(content_type: str | None, size: int) -> int:
    """Say how large one of its kind may be, and refuse it if it is no such or larger."""
    most = LARGEST.get(content_type or "")
    if most is None:
        raise NotKept(f"must be {KINDS_SAID}")
    if size > most:
        raise _too_large(most)
    return most


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"must have at most {most // MB} MB")
