"""Assets as operators and their tenants read them; nothing here writes."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.links import TaskFile
from relay.assets.store import key_of
from relay.assets.tables import Asset, AssetObject, AssetState, Source
from relay.tenants.tables import Tenant

TRIED_IN_VAIN = 3


class AssetFilter(msgspec.Struct, frozen=True):
    """Which assets a list has; what is None wants nothing."""

    tenant_id: int | None = None
    state: AssetState | None = None
    task_id: int | None = None
    before_id: int | None = None


class ListedAsset(msgspec.Struct, frozen=True):
    """A file that is kept, is to be, or was."""

    id: int
    asset: UUID
    """What it is called outside."""
    tenant: str
    task_id: int | None
    source: Source
    source_url: str | None
    """Kling's, without what signs it."""
    state: AssetState
    attempts: int
    next_attempt_at: datetime | None
    """Of what is to be copied."""
    reason: str | None
    """Why the last try came to nothing, or why it was deleted."""
    content_type: str | None
    bytes: int | None
    sha256: str | None
    created_at: datetime
    stored_at: datetime | None
    kept_until: datetime | None
    ended_at: datetime | None


class KeptSum(msgspec.Struct, frozen=True):
    """What a tenant has in the store; content that several of its assets have counts once."""

    bytes: int
    objects: int


class Keeping(msgspec.Struct, frozen=True):
    """How much of it there is."""

    tenants: int
    """That keep results."""
    shows_ours: bool
    """Some of them are shown links of ours."""
    waiting: int
    """Files that were tried three times at least, and are still to be copied."""
    bytes: int


class StoredObject(msgspec.Struct, frozen=True):
    """What is to lie in the store under a key."""

    id: int
    key: str
    bytes: int
    sha256: str


async def list_assets(
    session: AsyncSession, wanted: AssetFilter, *, limit: int
) -> list[ListedAsset]:
    """List them, newest first."""
    query = _all().order_by(Asset.id.desc()).limit(limit)
    if wanted.tenant_id is not None:
        query = query.where(Asset.tenant_id == wanted.tenant_id)
    if wanted.state is not None:
        query = query.where(Asset.state == wanted.state.value)
    if wanted.task_id is not None:
        query = query.where(Asset.task_id == wanted.task_id)
    if wanted.before_id is not None:
        query = query.where(Asset.id < wanted.before_id)
    return [_listed(row[0], row[1]) for row in await session.execute(query)]


async def find_asset(
    session: AsyncSession, public_id: str, *, tenant_id: int | None = None
) -> ListedAsset | None:
    """Find one by what it is called outside; of one tenant, if that is named."""
    try:
        query = _all().where(Asset.public_id == UUID(public_id))
    except ValueError:
        return None
    if tenant_id is not None:
        query = query.where(Asset.tenant_id == tenant_id)
    found = (await session.execute(query)).one_or_none()
    return None if found is None else _listed(found[0], found[1])


async def read_kept_sum(session: AsyncSession, tenant_id: int | None = None) -> KeptSum:
    """Sum up what a tenant has in the store, or what all of them have."""
    query = select(func.coalesce(func.sum(AssetObject.bytes), 0), func.count()).where(
        AssetObject.stored_at.is_not(None), AssetObject.doomed_at.is_(None)
    )
    if tenant_id is not None:
        query = query.where(AssetObject.tenant_id == tenant_id)
    size, objects = (await session.execute(query)).one()
    return KeptSum(int(size), objects)


async def read_keeping(session: AsyncSession) -> Keeping:
    """Sum up what there is to keep, and what could not be so far."""
    keeps = Tenant.keep_results_days.is_not(None) & Tenant.removed_at.is_(None)
    tenants = select(func.count(), func.bool_or(Tenant.result_urls == "ours")).where(keeps)
    count, shows_ours = (await session.execute(tenants)).one()
    waiting = select(func.count()).where(
        Asset.state == AssetState.DUE.value, Asset.attempts >= TRIED_IN_VAIN
    )
    return Keeping(
        tenants=count,
        shows_ours=bool(shows_ours),
        waiting=await session.scalar(waiting) or 0,
        bytes=(await read_kept_sum(session)).bytes,
    )


async def read_objects(
    session: AsyncSession, *, tenant_id: int | None, after_id: int, limit: int
) -> list[StoredObject]:
    """Read what is to lie in the store, oldest first."""
    query = select(AssetObject).where(
        AssetObject.stored_at.is_not(None),
        AssetObject.doomed_at.is_(None),
        AssetObject.id > after_id,
    )
    if tenant_id is not None:
        query = query.where(AssetObject.tenant_id == tenant_id)
    rows = await session.scalars(query.order_by(AssetObject.id).limit(limit))
    return [
        StoredObject(row.id, key_of(row.tenant_id, row.sha256, row.id), row.bytes, row.sha256)
        for row in rows
    ]


async def read_task_files(session: AsyncSession, task_id: int) -> list[TaskFile]:
    """Read which files were noted of a task."""
    rows = await session.scalars(select(Asset).where(Asset.task_id == task_id))
    return [
        TaskFile(row.source_url, row.public_id, row.content_type, row.state == AssetState.STORED)
        for row in rows
        if row.source_url is not None
    ]


async def read_keys(session: AsyncSession) -> set[str]:
    """Read all keys under which something may lie in the store, also on its way in or out."""
    rows = await session.execute(select(AssetObject.tenant_id, AssetObject.sha256, AssetObject.id))
    return {key_of(tenant_id, sha256, object_id) for tenant_id, sha256, object_id in rows}


def _all() -> Select[Asset, str]:
    return select(Asset, Tenant.name).join(Tenant, Tenant.id == Asset.tenant_id)


def _listed(row: Asset, tenant: str) -> ListedAsset:
    is_due = row.state == AssetState.DUE
    return ListedAsset(
        id=row.id,
        asset=row.public_id,
        tenant=tenant,
        task_id=row.task_id,
        source=Source(row.source),
        source_url=None if row.source_url is None else row.source_url.partition("?")[0],
        state=AssetState(row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if is_due else None,
        reason=row.reason,
        content_type=row.content_type,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
        stored_at=row.stored_at,
        kept_until=row.kept_until,
        ended_at=row.ended_at,
    )
