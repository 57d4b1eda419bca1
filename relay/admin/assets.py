"""Files that stay: what is kept of whom, and ending one."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import Cursor, Limit, PathAnyId, QueryId, month_in, read_cursor
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.routes import acts, reads
from relay.assets.months import KeptMonth, list_kept_months
from relay.assets.read import AssetFilter, ListedAsset, list_assets
from relay.assets.tables import AssetState
from relay.desk.actor import Actor
from relay.desk.assets import asset_named, delete_asset
from relay.desk.find import tenant_named
from relay.desk.office import Office
from relay.months import Month, month_of


class AssetPage(msgspec.Struct, frozen=True):
    assets: list[ListedAsset]
    next_cursor: str | None


class KeptMonths(msgspec.Struct, frozen=True):
    months: list[KeptMonth]
    currency: str


QueryMonth = Annotated[
    str | None,
    QueryParameter(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="Such as 2026-11."),
]


class Assets(Controller):
    path = "/admin/v1/assets"
    tags = ("Assets",)

    @get(**reads("asset.read", 404, streams=True))
    async def list_assets(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        wanted_state: Annotated[AssetState | None, QueryParameter(name="state")] = None,
        task: QueryId = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[AssetPage]:
        """List files that are kept, are to be, or were, newest first."""
        async with office.reading() as session:
            whose = None if tenant is None else (await tenant_named(session, tenant)).id

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedAsset], int | None]:
            wanted = AssetFilter(whose, wanted_state, task, before_id)
            return cut(await list_assets(session, wanted, limit=most + 1), most)

        return await answer_list(
            *(office, listing, read, ListedAsset),
            page=AssetPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/months", **reads("asset.read", 404))
    async def list_months(
        self,
        office: NamedDependency[Office],
        *,
        tenant: FromQuery[str | None] = None,
        month: QueryMonth = None,
    ) -> KeptMonths:
        """List what tenants kept in a month, or in this one and the twelve before it.

        A thousand rows at most, the newest month first, and of each those first who kept most.
        """
        async with office.reading() as session:
            whose = None if tenant is None else (await tenant_named(session, tenant)).id
            last = month_of(datetime.now(UTC), office.settings.zone)
            first = Month(last.year - 1, last.number)
            if month is not None:
                first = last = month_in("month", month)
            months = await list_kept_months(session, first=first, last=last, tenant_id=whose)
        return KeptMonths(months, office.settings.currency)

    @get("/{asset:str}", **reads("asset.read", 404))
    async def show(self, office: NamedDependency[Office], asset: PathAnyId) -> ListedAsset:
        """Show one, by what it is called in links to it."""
        async with office.reading() as session:
            return await asset_named(session, asset)

    @delete("/{asset:str}", **acts("asset.delete", 404), status_code=200)
    async def delete(
        self, desk: NamedDependency[AtDesk], asset: PathAnyId
    ) -> Response[ListedAsset]:
        """End one: its links are over at once, and its content leaves the store in an hour."""

        async def work(session: AsyncSession, actor: Actor) -> ListedAsset:
            return await delete_asset(session, actor, asset)

        return await desk.act(work)
