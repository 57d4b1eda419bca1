"""Whether what is called stored is in the store, whole: read again, byte by byte."""

import hashlib
from collections.abc import Sequence

import msgspec

from relay.assets.read import StoredObject
from relay.assets.store import AssetStore, ContentMissing, StoreFailed


class Verified(msgspec.Struct, frozen=True):
    """What became of one object."""

    id: int
    key: str
    bytes: int
    why_not: str | None
    """What is wrong with it; None of one that is whole."""


class Mended(msgspec.Struct, frozen=True):
    """What was done where the store and the rows did not agree."""

    missing: int
    """Objects that were not in the store, or not whole."""
    anew: int
    """Files of those that are copied again."""
    lost: int
    """Files of those that nobody has any more."""
    removed: int
    """Objects that were taken out of the store, since no row knew of them."""


async def looked_through(store: AssetStore, wanted: Sequence[StoredObject]) -> list[Verified]:
    """Read them, one after the other."""
    return [await verify_object(store, one) for one in wanted]


async def verify_object(store: AssetStore, wanted: StoredObject) -> Verified:
    """Read it, and compare its length and hash."""
    hashed, size = hashlib.sha256(), 0
    why_not = None
    try:
        async for piece in store.read(wanted.key, last=wanted.bytes - 1):
            hashed.update(piece)
            size += len(piece)
    except ContentMissing:
        why_not = "it is not in the store"
    except StoreFailed as error:
        why_not = str(error)
    else:
        if size != wanted.bytes:
            why_not = f"it has {size:,} bytes, and should have {wanted.bytes:,}"
        elif hashed.hexdigest() != wanted.sha256:
            why_not = "its content is another one"
    return Verified(wanted.id, wanted.key, wanted.bytes, why_not)
