"""Ending a file that is kept, before its time, and mending what was said of the store."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.edit import end_asset, mend_objects
from relay.assets.read import ListedAsset, find_asset
from relay.assets.verify import Mended
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotPossible


async def asset_named(
    session: AsyncSession, key: str, *, tenant_id: int | None = None
) -> ListedAsset:
    """Find an asset by what it is called outside, or raise NoSuch."""
    found = await find_asset(session, key, tenant_id=tenant_id)
    if found is None:
        raise NoSuch("asset", key)
    return found


@act("asset.delete")
async def delete_asset(
    session: AsyncSession, actor: Actor, key: str, *, tenant_id: int | None = None
) -> ListedAsset:
    """End an asset: its links are over at once, and its content leaves the store in an hour.

    Content that another asset of its tenant has stays for that one. What was to be copied is not.

    Raises:
        NoSuch
        NotPossible: it is over already.
    """
    found = await asset_named(session, key, tenant_id=tenant_id)
    if not await end_asset(session, found.id, reason=f"deleted by {actor}"):
        raise NotPossible("asset", key, "it is over already")
    await note_change(
        session,
        actor,
        "asset.delete",
        kind="asset",
        id=found.id,
        name=str(found.asset),
        before={"state": found.state.value, "tenant": found.tenant, "bytes": found.bytes},
        after={"state": "deleted"},
    )
    session.expire_all()
    return await asset_named(session, key)


@act("asset.mend")
async def mend_store(
    session: AsyncSession, actor: Actor, *, missing: Sequence[int], removed: int = 0
) -> Mended:
    """Make the rows tell what is in the store, after somebody has looked.

    `missing`: ids of objects that are not in it, or not whole. What Kling still has of their files
    is copied again; of others it is said that they are lost. `removed`: so many objects were taken
    out that no row knew of.

    Raises:
        NotPossible: the rows have none of those objects, and none was taken out.
    """
    mended = await mend_objects(session, missing, removed=removed)
    if not mended.missing and not removed:
        raise NotPossible("asset", "store", "there is nothing to be mended")
    await note_change(
        session,
        actor,
        "asset.mend",
        kind="asset_store",
        id=None,
        name="store",
        after=msgspec.to_builtins(mended),
    )
    return mended
