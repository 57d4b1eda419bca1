"""What was told, done and owed: deliveries, changes, and months of accounts."""

from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import (
    Cursor,
    Limit,
    Name,
    PathAnyId,
    PathId,
    PathMonth,
    PathName,
    QueryId,
    month_in,
    read_cursor,
)
from relay.admin.lists import CSV, Listing, answer_list, answer_sheet, answer_whole, cut
from relay.admin.problems import WrongField
from relay.admin.routes import acts, reads
from relay.database.ids import TaskId
from relay.deliveries.ping import ping
from relay.deliveries.read import (
    ListedDelivery,
    ShownDelivery,
    list_deliveries,
    read_delivery,
)
from relay.deliveries.signature import read_secrets
from relay.deliveries.tables import DeliveryState
from relay.desk.actor import Actor
from relay.desk.changes import find_change, list_changes
from relay.desk.deliveries import replay_delivery
from relay.desk.errors import NoSuch
from relay.desk.find import account_named, delivery_named, tenant_named
from relay.desk.months import close_month
from relay.desk.office import Office
from relay.desk.shown import ShownChange, shown_change
from relay.usage.documents import month_sheet, owed, statement_sheet
from relay.usage.statement import (
    Statement,
    accounts_of_month,
    read_statement,
)


class DeliveryPage(msgspec.Struct, frozen=True):
    deliveries: list[ListedDelivery]
    next_cursor: str | None


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tenant: Name
    """Whose secret signs it."""
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class Pinged(msgspec.Struct, frozen=True):
    """What came of it."""

    delivered: bool
    """It was answered with 2xx."""
    signed: bool
    """False: the tenant has no webhook secret yet."""
    http_status: int | None
    error: str | None
    """Why there is no status."""
    duration_ms: int
    response: str | None
    """How the answer begins."""


class ChangePage(msgspec.Struct, frozen=True):
    changes: list[ShownChange]
    next_cursor: str | None


class MonthOf(msgspec.Struct, frozen=True):
    month: str
    currency: str
    owed_to_tenants_micros: int
    """At its end: all closings above zero."""
    owed_by_tenants_micros: int
    """All closings below zero."""
    statements: list[Statement]


class ClosedMonths(msgspec.Struct, frozen=True):
    account_id: int
    closed: list[str]
    """Now, with this request."""


class Deliveries(Controller):
    path = "/admin/v1/deliveries"
    tags = ("Deliveries",)

    @get(**reads("delivery.read", 404, streams=True))
    async def list_deliveries(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        wanted_state: Annotated[DeliveryState | None, QueryParameter(name="state")] = None,
        task: QueryId = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[DeliveryPage]:
        """List callbacks to tenants, newest first."""
        async with office.reading() as session:
            whose = None if tenant is None else (await tenant_named(session, tenant)).id

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedDelivery], int | None]:
            found = await list_deliveries(
                session,
                tenant_id=whose,
                state=None if wanted_state is None else wanted_state.value,
                task_id=None if task is None else TaskId(task),
                before_id=before_id,
                limit=most + 1,
            )
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ListedDelivery),
            page=DeliveryPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/{delivery:str}", **reads("delivery.read", 404))
    async def show(self, office: NamedDependency[Office], delivery: PathAnyId) -> ShownDelivery:
        """Show a delivery by its webhook id or ours: what is sent, and every attempt."""
        async with office.reading() as session:
            return await read_delivery(session, await delivery_named(session, delivery))

    @post("/{delivery:str}/replay", **acts("delivery.replay", 404))
    async def replay(
        self, desk: NamedDependency[AtDesk], delivery: PathAnyId
    ) -> Response[ShownDelivery]:
        """Send a delivery again that has ended: the same bytes, the same webhook id."""

        async def work(session: AsyncSession, actor: Actor) -> ShownDelivery:
            return await read_delivery(session, await replay_delivery(session, actor, delivery))

        return await desk.act(work, status=201)

    @post("/ping", **reads("delivery.replay", 404, 413), status_code=200)
    async def ping(self, office: NamedDependency[Office], data: JSONBody[Ping]) -> Pinged:
        """Send a tenant's server a signed test callback, once, through the same guard."""
        async with office.reading() as session:
            tenant = await tenant_named(session, data.tenant)
            secrets = await read_secrets(session, tenant.id, office.keys)
        if why := office.guard.why_unusable(data.url):
            raise WrongField("url", f"the URL {why}")
        outcome = await ping(office.sender, data.url, secrets=secrets)
        return Pinged(outcome.is_delivered, bool(secrets), **msgspec.structs.asdict(outcome))


class Changes(Controller):
    path = "/admin/v1/changes"
    tags = ("Changes",)

    @get(**reads("change.read", streams=True))
    async def list_changes(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        actor: FromQuery[str | None] = None,
        act: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[ChangePage]:
        """List what was done at the desk, by whom and why, newest first.

        `act`: one, or all of a kind: `tenant`. `subject`: what had this name then, or has it now.
        """

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ShownChange], int | None]:
            found = await list_changes(
                *(session,),
                actor=actor,
                act=act,
                subject=subject,
                before_id=before_id,
                limit=most + 1,
            )
            return cut([shown_change(row) for row in found], most)

        return await answer_list(
            *(office, listing, read, ShownChange),
            page=ChangePage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/{change_id:int}", **reads("change.read", 404))
    async def show(self, office: NamedDependency[Office], change_id: PathId) -> ShownChange:
        """Show one change: before, after, and from where it was made."""
        async with office.reading() as session:
            row = await find_change(session, change_id)
        if row is None:
            raise NoSuch("change", change_id)
        return shown_change(row)


class Months(Controller):
    path = "/admin/v1"
    tags = ("Statements",)

    @get("/statements/{account:str}/{month:str}", **reads("statement.read", 404, streams=True))
    async def statement(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        account: PathName,
        month: PathMonth,
    ) -> Response[Statement]:
        """Recompute a month of an account, named by a tenant that draws on it or by its number."""
        which = month_in("month", month)
        async with office.snapshot() as session:
            account_id = await account_named(session, account)
            found = await read_statement(
                *(session, account_id, which),
                zone=office.settings.zone,
                currency=office.settings.currency,
            )
        if listing.media_type == CSV:
            return answer_sheet(statement_sheet(found))
        return answer_whole(listing, found, [found], Statement)

    @get("/months/{month:str}", **reads("statement.read", streams=True))
    async def month(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        month: PathMonth,
    ) -> Response[MonthOf]:
        """Recompute a month of all accounts; as CSV it is one line of each, and their sums."""
        which = month_in("month", month)
        zone, currency = office.settings.zone, office.settings.currency
        async with office.snapshot() as session:
            accounts = await accounts_of_month(session, which, zone=zone)
            found = [
                await read_statement(session, one, which, zone=zone, currency=currency)
                for one in accounts
            ]
        if listing.media_type == CSV:
            sheet = month_sheet(str(which), found, currency=currency)
            return answer_sheet(sheet)
        shown = MonthOf(str(which), currency, *owed(found), found)
        return answer_whole(listing, shown, found, Statement)

    @post("/statements/{account:str}/{month:str}/close", **acts("account.close_month", 404))
    async def close(
        self, desk: NamedDependency[AtDesk], account: PathName, month: PathMonth
    ) -> Response[ClosedMonths]:
        """Close an account's month that is over, with those before it, for good."""
        which = month_in("month", month)

        async def work(session: AsyncSession, actor: Actor) -> ClosedMonths:
            account_id = await account_named(session, account)
            zone = desk.settings.zone
            closed = await close_month(session, actor, account_id, which, zone=zone)
            return ClosedMonths(account_id, closed)

        return await desk.act(work, status=201)
