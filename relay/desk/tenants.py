"""Opening tenants, changing what they are, may and are told, and removing them."""

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.deliveries.read import count_due
from relay.deliveries.webhook_secrets import IssuedSecret, OtherSecretSigns, issue_secret
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import State, differing, note_change
from relay.desk.errors import InUse, NameTaken, Unusable, WebhookSecretKept, WebhookSecretSigns
from relay.desk.find import tenant_to_act_on
from relay.desk.groups import checked_groups_of_callers
from relay.desk.kept_files import check_kept_files
from relay.desk.multipliers import check_multiplier, own_multiplier, put_own
from relay.desk.names import check_name, check_new_name, check_notes, check_words, removed_name
from relay.desk.permit import admit
from relay.desk.secret_keys import check_secret_keys
from relay.desk.sub_tenants import (
    check_resale,
    note_who_shuts,
    refuse_name_of_sub_tenant,
    refuse_of_parent,
    refuse_parent,
    rename_with_sub_tenants,
    tell_of_factor,
)
from relay.desk.waits import check_wait
from relay.ledger.accounts import open_account, set_credit, set_tasks_max
from relay.ledger.entries import top_up
from relay.ledger.read import check_currency
from relay.ledger.tables import Account, TopupKind
from relay.money import plain
from relay.notices.tables import NoticePlace
from relay.pricing import edit as edit_prices
from relay.secrets import KeyRing
from relay.tasks.live import count_live
from relay.tasks.submit import SLOTS_MAX
from relay.tenants import edit
from relay.tenants.read import count_tenants, find_tenant
from relay.tenants.tables import Tenant
from relay.tenants.tokens import revoke_tokens

__all__ = [
    "OPENING",
    "IssuedSecret",
    "TenantChanges",
    "change_tenant",
    "issue_webhook_secret",
    "open_tenant",
    "remove_tenant",
]

OF_ITS_ROW = (
    *("price_group", "shows_quote", "joins_retries", "enabled", "lints_creates"),
    *("queue_s", "queue_weight", "room_min", "contact", "notes"),
    *("keep_results_days", "asset_bytes_max", "result_urls"),
    "asset_gb_month_micros",
)
"""What is put into a tenant's row as it is given."""
WEIGHT_MAX = 1000
TASKS_MAX = 2**31 - 1
"""What its column takes."""
PRICING = "multiplier.set"
"""What an operator must be allowed for what a tenant pays, by whichever act it is said."""
OPENING = "opening"
"""Reference of the top-up that opens an account with quota."""


class TenantChanges(msgspec.Struct, frozen=True):
    """What is to be changed of a tenant; UNSET stays as it is."""

    multiplier: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    """Its own, all day; None is its price group's, or everybody's."""
    price_group: str | msgspec.UnsetType | None = msgspec.UNSET
    """Whose prices are its; None is none."""
    tasks_max: int | msgspec.UnsetType | None = msgspec.UNSET
    """None is no limit."""
    shows_quote: bool | msgspec.UnsetType = msgspec.UNSET
    joins_retries: bool | msgspec.UnsetType = msgspec.UNSET
    lints_creates: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether its creates are judged by Kling's documents before anything is held."""
    groups: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    """Of channels that serve it; None is all."""
    queue_s: int | msgspec.UnsetType | None = msgspec.UNSET
    """For how many seconds its creates wait for room; None is not at all."""
    queue_weight: int | msgspec.UnsetType = msgspec.UNSET
    room_min: int | msgspec.UnsetType = msgspec.UNSET
    contact: str | msgspec.UnsetType | None = msgspec.UNSET
    """Who is written to about it."""
    notes: str | msgspec.UnsetType | None = msgspec.UNSET
    """What operators want to remember of it; it never reads them."""
    keep_results_days: int | msgspec.UnsetType | None = msgspec.UNSET
    """For how many days files of its results are kept; None is not at all."""
    asset_bytes_max: int | msgspec.UnsetType | None = msgspec.UNSET
    asset_gb_month_micros: int | msgspec.UnsetType | None = msgspec.UNSET
    """What a GB-month of its files costs, from the next day on; None is what it costs everybody."""
    result_urls: str | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    resale: Decimal | msgspec.UnsetType = msgspec.UNSET
    """Of a sub-tenant: how many times its parent's prices its own are."""
    name: str | msgspec.UnsetType = msgspec.UNSET


@act("tenant.open")
async def open_tenant(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    quota_micros: int,
    currency: str,
    multiplier: Decimal | None = None,
    price_group: str | None = None,
    tasks_max: int | None = None,
) -> Tenant:
    """Add a tenant with an account of its own.

    Raises:
        NameTaken, CurrencyMismatch
        Unusable: a name, or the quota, the multiplier or the limit is below 0.
    """
    check_new_name(name)
    refuse_name_of_sub_tenant(name)
    _check_prices(multiplier, price_group)
    if multiplier is not None or price_group is not None:
        await admit(session, actor, PRICING)
    _check_tasks_max(tasks_max)
    if quota_micros < 0:
        raise Unusable("a tenant opens with a quota of 0 at least", field="quota_micros")
    await check_currency(session, currency)
    if await find_tenant(session, name) is not None:
        raise NameTaken("tenant", name)
    account_id = await open_account(session)
    tenant = await edit.add_tenant(session, name, account_id=account_id, price_group=price_group)
    if tenant is None:  # another one took the name meanwhile
        raise NameTaken("tenant", name)
    if multiplier is not None:
        await put_own(session, tenant, multiplier)
    if tasks_max is not None:
        await set_tasks_max(session, account_id, tasks_max)
    if quota_micros:
        await top_up(
            session,
            account_id,
            amount_micros=quota_micros,
            kind=TopupKind.PAID,
            reference=OPENING,
            currency=currency,
            actor=str(actor),
        )
    await note_change(
        session,
        actor,
        "tenant.open",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={
            "account_id": account_id,
            "quota_micros": quota_micros,
            "multiplier": None if multiplier is None else plain(multiplier),
            "price_group": price_group,
            "tasks_max": tasks_max,
        },
        amount_micros=quota_micros,
    )
    return tenant


@act("tenant.change")
async def change_tenant(
    session: AsyncSession, actor: Actor, name: str, changes: TenantChanges
) -> Tenant:
    """Change a tenant; running tasks keep their quote, and open holds above a limit are left alone.

    What is so already is not noted.

    Its sub-tenants are renamed with it. A sub-tenant is told of another factor.

    Raises:
        NoSuch, NameTaken
        NotPossible: it was removed; or a tenant lets in what an operator shut out.
        Unusable: the new name, a group, the wait, or the multiplier, the factor or a limit is out
            of bounds; or it is the parent's, or a sub-tenant's, to have.
    """
    _check_changes(name, changes)
    prices = (changes.multiplier, changes.price_group, changes.asset_gb_month_micros)
    if any(one is not msgspec.UNSET for one in prices):
        await admit(session, actor, PRICING)
    # A tenant's own act keeps its name (`name_now`) and locks the rest of the row then: who has the
    # row and waits for the name would wait in a circle with it.
    tenant = await tenant_to_act_on(
        session, name, is_locked=True, is_renamed=changes.name is not msgspec.UNSET
    )
    refuse_of_parent(changes, tenant)
    # Only what is changed: who is to be shut out must not wait for an account that somebody holds.
    limits = changes.tasks_max is not msgspec.UNSET
    account = await session.get_one(
        Account, tenant.account_id, with_for_update={"key_share": True} if limits else None
    )
    state = _state(tenant, account, await own_multiplier(session, tenant))
    before, after = differing(state, state | _wanted(changes))
    _put(tenant, changes)
    if changes.enabled is not msgspec.UNSET:
        was = tenant.shut_by_parent
        await note_who_shuts(session, tenant, actor, is_changed="enabled" in after)
        if was and not tenant.shut_by_parent and "enabled" not in after:
            before, after = before | {"shut_by_parent": True}, after | {"shut_by_parent": False}
    if "factor" in after:
        await tell_of_factor(session, tenant, was=Decimal(str(before["factor"])))
    if "multiplier" in after:
        assert changes.multiplier is not msgspec.UNSET, "it is among what changes"
        await edit_prices.lock_multipliers(session)
        await put_own(session, tenant, changes.multiplier)
    if changes.name is not msgspec.UNSET:
        await rename_with_sub_tenants(session, tenant, changes.name, actor=actor)
    if changes.tasks_max is not msgspec.UNSET:
        await set_tasks_max(session, AccountId(account.id), changes.tasks_max)
    if after:
        await note_change(
            session,
            actor,
            "tenant.change",
            kind="tenant",
            id=tenant.id,
            name=name,
            before=before,
            after=after,
        )
    return tenant


@act("tenant.remove")
async def remove_tenant(session: AsyncSession, actor: Actor, name: str) -> Tenant:
    """Shut a tenant out for good, with its tokens; tasks and entries keep it, by another name.

    Its account is locked, as by every submit: what was held before is seen, and nothing can be
    held later, since there is nothing left to hold, and no credit.

    Raises:
        NoSuch, NotPossible: it was removed before, or has sub-tenants.
        InUse: tasks of it are live, callbacks are still to be made, or quota is left on an account
            that nobody else draws on.
    """
    tenant = await tenant_to_act_on(session, name, is_locked=True)
    await refuse_parent(session, tenant)
    account = await session.get_one(
        Account, tenant.account_id, with_for_update={"key_share": True}, populate_existing=True
    )
    is_alone = await count_tenants(session, AccountId(account.id)) == 1
    tasks = await count_live(session, tenant_id=tenant.id)
    deliveries = await count_due(session, tenant.id)
    quota_micros = account.quota_micros if is_alone else 0
    if tasks or deliveries or quota_micros:
        raise InUse("tenant", name, tasks=tasks, deliveries=deliveries, quota_micros=quota_micros)
    own = await own_multiplier(session, tenant)
    before = _state(tenant, account, own) | {"tokens": await revoke_tokens(session, tenant.id)}
    if is_alone and account.credit_micros:
        before["credit_micros"] = await set_credit(session, AccountId(account.id), 0)
    await session.execute(delete(NoticePlace).where(NoticePlace.tenant_id == tenant.id))
    await edit.remove_tenant(session, tenant, removed_name(name, tenant.id))
    await note_change(
        session, actor, "tenant.remove", kind="tenant", id=tenant.id, name=name, before=before
    )
    return tenant


@act("tenant.issue_webhook_secret")
async def issue_webhook_secret(
    session: AsyncSession,
    actor: Actor,
    name: str,
    keys: KeyRing,
    *,
    may_rotate: bool,
    was: datetime | None = None,
    ends_former: bool = False,
) -> IssuedSecret:
    """Make the secret that signs a tenant's callbacks; it is shown this once.

    `was`: when the one was issued that is to be replaced; None is not said. `ends_former`: though
    one before it still signs, which ends then.

    Raises:
        NoSuch, NotPossible: it was removed.
        WebhookSecretKept
        WebhookSecretSigns: another one is in force; or one before it still signs, and neither is
            said.
        SecretKeyError: the secret keys are not this database's.
    """
    tenant = await tenant_to_act_on(session, name)
    await check_secret_keys(session, keys)
    try:
        issued = await issue_secret(
            *(session, tenant.id, keys), may_rotate=may_rotate, was=was, ends_former=ends_former
        )
    except OtherSecretSigns as error:
        raise WebhookSecretSigns(name, error.until) from error
    if issued is None:
        raise WebhookSecretKept(name)
    until = issued.replaced_signs_until
    await note_change(
        session,
        actor,
        "tenant.issue_webhook_secret",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={"replaced_signs_until": None if until is None else until.isoformat()},
    )
    return issued


def _put(tenant: Tenant, changes: TenantChanges) -> None:
    """Put what is given, and is the row's own, into the row."""
    if changes.resale is not msgspec.UNSET:
        tenant.resale = changes.resale
    for name in OF_ITS_ROW:
        value = getattr(changes, name)
        if value is not msgspec.UNSET:
            setattr(tenant, name, value)
    if changes.groups is not msgspec.UNSET:
        tenant.groups = checked_groups_of_callers(changes.groups)


def _check_changes(name: str, changes: TenantChanges) -> None:
    if changes.name is not msgspec.UNSET and changes.name != name:
        check_new_name(changes.name)
    _check_prices(changes.multiplier, changes.price_group)
    if changes.resale is not msgspec.UNSET:
        check_resale(changes.resale)
    if changes.tasks_max is not msgspec.UNSET:
        _check_tasks_max(changes.tasks_max)
    check_wait(changes.queue_s)
    check_kept_files(changes)
    if isinstance(changes.contact, str):
        check_words(changes.contact, what="contact")
    if isinstance(changes.notes, str):
        check_notes(changes.notes)
    if changes.queue_weight is not msgspec.UNSET and not 1 <= changes.queue_weight <= WEIGHT_MAX:
        raise Unusable(f"a weight is from 1 to {WEIGHT_MAX}", field="queue_weight")
    if changes.room_min is not msgspec.UNSET and not 0 <= changes.room_min <= SLOTS_MAX:
        raise Unusable(f"the least of a tenant is from 0 to {SLOTS_MAX} slots", field="room_min")


def _check_prices(
    multiplier: Decimal | msgspec.UnsetType | None, price_group: str | msgspec.UnsetType | None
) -> None:
    if isinstance(multiplier, Decimal):
        check_multiplier(multiplier)
    if isinstance(price_group, str):
        check_name(price_group, what="price group")


def _check_tasks_max(tasks_max: int | None) -> None:
    if tasks_max is not None and not 0 <= tasks_max <= TASKS_MAX:
        raise Unusable(f"a limit of tasks is from 0 to {TASKS_MAX:,}", field="tasks_max")


def _state(tenant: Tenant, account: Account, multiplier: Decimal | None) -> State:
    return {
        "name": tenant.name,
        "multiplier": None if multiplier is None else plain(multiplier),
        "price_group": tenant.price_group,
        "tasks_max": account.tasks_max,
        "shows_quote": tenant.shows_quote,
        "joins_retries": tenant.joins_retries,
        "lints_creates": tenant.lints_creates,
        "queue_s": tenant.queue_s,
        "queue_weight": tenant.queue_weight,
        "room_min": tenant.room_min,
        "groups": tenant.groups,
        "contact": tenant.contact,
        "notes": tenant.notes,
        "keep_results_days": tenant.keep_results_days,
        "asset_bytes_max": tenant.asset_bytes_max,
        "asset_gb_month_micros": tenant.asset_gb_month_micros,
        "result_urls": tenant.result_urls,
        "factor": None if tenant.resale is None else plain(tenant.resale),
        "enabled": tenant.enabled,
    }


def _wanted(changes: TenantChanges) -> State:
    given = msgspec.structs.asdict(changes)
    given["factor"] = given.pop("resale")
    return {
        name: plain(value) if isinstance(value, Decimal) else value
        for name, value in given.items()
        if value is not msgspec.UNSET
    }
