"""Tenants, their quota, and the secret that signs their callbacks."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, IfMatch, of_version
from relay.admin.bodies import (
    MICROS_MAX,
    Count,
    Cursor,
    Like,
    Limit,
    Micros,
    Name,
    Notes,
    Number,
    PathName,
    SignedMicros,
    Words,
    decimal_or_none,
    month_in,
    read_cursor,
    tenant_of,
)
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.find import tenant_named, tenant_to_act_on
from relay.desk.money import add_quota, adjust_quota, set_credit
from relay.desk.office import Office
from relay.desk.shown import ShownTenant, list_shown_tenants, read_shown_tenant
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tenants import (
    IssuedSecret,
    TenantChanges,
    change_tenant,
    issue_webhook_secret,
    open_tenant,
    remove_tenant,
)
from relay.ledger.tables import TopupKind
from relay.tenants.read import TenantFilter


class NewTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    quota_micros: Micros = 0
    """Entered as a top-up that was paid."""
    multiplier: Number | None = None
    price_group: Name | None = None
    tasks_max: Count | None = None


class NewSubTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    """Behind its parent's, and a slash."""
    factor: Number = "1"
    """How many times its parent's prices its own are; at least 1."""


class TenantPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named stays as it is; null is none."""

    name: Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    multiplier: Number | UnsetType | None = UNSET
    price_group: Name | UnsetType | None = UNSET
    tasks_max: Count | UnsetType | None = UNSET
    shows_quote: bool | UnsetType = UNSET
    joins_retries: bool | UnsetType = UNSET
    lints_creates: bool | UnsetType = UNSET
    """Whether its creates are judged by Kling's documents before anything is held."""
    groups: list[Name] | UnsetType | None = UNSET
    contact: Words | UnsetType | None = UNSET
    notes: Notes | UnsetType | None = UNSET
    queue_s: Count | UnsetType | None = UNSET
    queue_weight: Count | UnsetType = UNSET
    room_min: Count | UnsetType = UNSET
    keep_results_days: Count | UnsetType | None = UNSET
    """For how many days files of its results are kept; null is not at all."""
    asset_bytes_max: Micros | UnsetType | None = UNSET
    asset_gb_month_micros: Micros | UnsetType | None = UNSET
    """What a GB-month of its files costs, from the next day on; null is what it costs everybody."""
    result_urls: Literal["kling", "ours"] | UnsetType = UNSET
    """Whose its tasks show of files that are kept."""
    factor: Number | UnsetType = UNSET
    """Of a sub-tenant: how many times its parent's prices its own are."""


class TopUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    amount_micros: SignedMicros
    reference: Name
    """Of the payment; the same one twice adds nothing."""
    kind: TopupKind = TopupKind.PAID
    reason: Words | None = None


class ToppedUp(msgspec.Struct, frozen=True):
    added_micros: int
    """0 if the same was added under the reference before."""
    tenant: ShownTenant


Month = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    amount_micros: SignedMicros
    reason: Words
    storage_month: Month | None = None
    """It gives back of what that month of the tenant's files was charged, such as 2026-10."""


class Credit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    credit_micros: Micros
    """How far below zero its creates may take the quota; 0 is none."""
    reason: Words


class SecretWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    may_rotate: bool = False
    """Take the place of one that there is, which signs beside it for 7 days."""
    ends_former: bool = False
    """Though one before it still signs, which ends then."""


class NewSecret(msgspec.Struct, frozen=True):
    """Shown this once."""

    secret: str
    replaced_signs_until: datetime | None


class TenantPage(msgspec.Struct, frozen=True):
    tenants: list[ShownTenant]
    next_cursor: str | None


class Tenants(Controller):
    path = "/admin/v1/tenants"
    tags = ("Tenants",)

    @get(**reads("tenant.read", 404, streams=True))
    async def list_tenants(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        removed: FromQuery[bool] = False,
        enabled: FromQuery[bool | None] = None,
        price_group: FromQuery[str | None] = None,
        parent: FromQuery[str | None] = None,
        below_micros: Annotated[int | None, QueryParameter(ge=-MICROS_MAX, le=MICROS_MAX)] = None,
        like: Like = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[TenantPage]:
        """List tenants with their accounts, newest first; `removed`: and those that were removed.

        `parent`: its sub-tenants. `below_micros`: with less available. `like`: a part of the name
        or the contact.
        """
        settings = office.settings
        async with office.reading() as session:
            wanted = TenantFilter(
                with_removed=removed,
                is_enabled=enabled,
                price_group=price_group,
                parent_id=None if parent is None else (await tenant_named(session, parent)).id,
                like=like,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ShownTenant], int | None]:
            found = await list_shown_tenants(
                session,
                msgspec.structs.replace(wanted, before_id=before_id),
                zone=settings.zone,
                currency=settings.currency,
                below_micros=below_micros,
                limit=most + 1,
            )
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ShownTenant),
            page=TenantPage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/{tenant:str}", **reads("tenant.read", 404))
    async def show(
        self, office: NamedDependency[Office], tenant: PathName
    ) -> Response[ShownTenant]:
        """Show a tenant with its account."""
        async with office.reading() as session:
            return of_version(await _shown(session, office, await tenant_of(session, tenant)))

    @post(**acts("tenant.open", 409))
    async def open(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewTenant]
    ) -> Response[ShownTenant]:
        """Add a tenant and open its account."""

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            await open_tenant(
                *(session, actor, data.name),
                quota_micros=data.quota_micros,
                currency=desk.settings.currency,
                multiplier=decimal_or_none(data.multiplier),
                price_group=data.price_group,
                tasks_max=data.tasks_max,
            )
            return await _shown(session, desk.office, data.name)

        return await desk.act(work, status=201)

    @post("/{tenant:str}/sub-tenants", **acts("sub_tenant.open", 404, 409))
    async def open_below(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[NewSubTenant]
    ) -> Response[ShownTenant]:
        """Add a tenant below this one, whose account pays for it by its own prices."""

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            opened = await open_sub_tenant(
                *(session, actor, await tenant_of(session, tenant), data.name),
                resale=Decimal(data.factor),
            )
            return await _shown(session, desk.office, opened.name)

        return await desk.act(work, status=201)

    @patch("/{tenant:str}", **acts("tenant.change", 404, 409, 412))
    async def change(
        self,
        desk: NamedDependency[AtDesk],
        tenant: PathName,
        data: JSONBody[TenantPatch],
        if_match: IfMatch = None,
    ) -> Response[ShownTenant]:
        """Change what a tenant pays, may and is told; running tasks keep their quote."""
        given = {
            name: value
            for name, value in msgspec.structs.asdict(data).items()
            if value is not UNSET
        }
        if "factor" in given:
            given["resale"] = Decimal(given.pop("factor"))
        if "multiplier" in given:
            given["multiplier"] = decimal_or_none(given["multiplier"])

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            name = await tenant_of(session, tenant)
            await desk.refuse_stale(
                *(session, "tenant.change", if_match), lambda s: locked_tenant(s, desk.office, name)
            )
            changed = await change_tenant(session, actor, name, TenantChanges(**given))
            return await _shown(session, desk.office, changed.name)

        return await desk.act(work)

    @delete("/{tenant:str}", **acts("tenant.remove", 404, 409, 412), status_code=200)
    async def remove(
        self, desk: NamedDependency[AtDesk], tenant: PathName, if_match: IfMatch = None
    ) -> Response[ShownTenant]:
        """Shut a tenant out for good, and revoke its tokens; its name is free again."""

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            name = await tenant_of(session, tenant)
            await desk.refuse_stale(
                *(session, "tenant.remove", if_match), lambda s: locked_tenant(s, desk.office, name)
            )
            removed = await remove_tenant(session, actor, name)
            return await _shown(session, desk.office, removed.name)

        return await desk.act(work)

    @post("/{tenant:str}/top-ups", **acts("tenant.top_up", 404, 409))
    async def top_up(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[TopUp]
    ) -> Response[ToppedUp]:
        """Add quota that was sold or given, once per reference; a correction may be below 0."""

        async def work(session: AsyncSession, actor: Actor) -> ToppedUp:
            name = await tenant_of(session, tenant)
            is_added = await add_quota(
                *(session, actor, name),
                amount_micros=data.amount_micros,
                reference=data.reference,
                currency=desk.settings.currency,
                kind=data.kind,
                reason=data.reason,
            )
            shown = await _shown(session, desk.office, name)
            return ToppedUp(data.amount_micros if is_added else 0, shown)

        return await desk.act(work, status=201)

    @post("/{tenant:str}/adjustments", **acts("tenant.adjust", 404))
    async def adjust(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[Adjustment]
    ) -> Response[ShownTenant]:
        """Correct a quota, up or down; it may fall below zero."""
        given = data.storage_month
        storage = None if given is None else month_in("storage_month", given)

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            name = await tenant_of(session, tenant)
            await adjust_quota(
                *(session, actor, name),
                amount_micros=data.amount_micros,
                reason=data.reason,
                currency=desk.settings.currency,
                storage=storage,
            )
            return await _shown(session, desk.office, name)

        return await desk.act(work, status=201)

    @put("/{tenant:str}/credit", **acts("tenant.set_credit", 404, 412))
    async def set_credit(
        self,
        desk: NamedDependency[AtDesk],
        tenant: PathName,
        data: JSONBody[Credit],
        if_match: IfMatch = None,
    ) -> Response[ShownTenant]:
        """Say how much its account may owe; below what it owes only the next create is refused."""

        async def work(session: AsyncSession, actor: Actor) -> ShownTenant:
            name = await tenant_of(session, tenant)
            await desk.refuse_stale(
                *(session, "tenant.set_credit", if_match),
                lambda s: locked_tenant(s, desk.office, name),
            )
            await set_credit(
                *(session, actor, name), credit_micros=data.credit_micros, reason=data.reason
            )
            return await _shown(session, desk.office, name)

        return await desk.act(work)

    @post("/{tenant:str}/webhook-secret", **acts("tenant.issue_webhook_secret", 404, 409))
    async def issue_secret(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[SecretWanted]
    ) -> Response[NewSecret]:
        """Make the secret that signs a tenant's callbacks, and show it this once."""

        async def work(session: AsyncSession, actor: Actor) -> NewSecret:
            issued: IssuedSecret = await issue_webhook_secret(
                *(session, actor, await tenant_of(session, tenant), desk.keys),
                may_rotate=data.may_rotate,
                ends_former=data.ends_former,
            )
            return NewSecret(issued.secret, issued.replaced_signs_until)

        return await desk.act(work, status=201)


async def _shown(session: AsyncSession, office: Office, name: str) -> ShownTenant:
    settings = office.settings
    return await read_shown_tenant(session, name, zone=settings.zone, currency=settings.currency)


async def locked_tenant(session: AsyncSession, office: Office, name: str) -> ShownTenant:
    """Show a tenant as it stays until the commit."""
    await tenant_to_act_on(session, name, is_locked=True)
    return await _shown(session, office, name)
