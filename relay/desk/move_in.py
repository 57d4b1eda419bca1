"""Opening a tenant with what it had elsewhere; keeping tasks and names of models of there."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.errors import NameTaken, NotPossible
from relay.desk.find import refuse_removed_meanwhile
from relay.desk.groups import checked_groups_of_callers
from relay.desk.names import check_name, check_new_name
from relay.desk.sub_tenants import refuse_name_of_sub_tenant
from relay.ledger.accounts import open_account
from relay.ledger.entries import top_up
from relay.ledger.read import check_currency
from relay.ledger.tables import Account, TopupKind
from relay.new_api.tables import MovedModel, MovedTask, MovedTenant
from relay.tasks.tables import Task
from relay.tenants import edit
from relay.tenants.read import find_tenant
from relay.tenants.tables import Tenant


@act("tenant.move_in")
async def move_tenant(
    session: AsyncSession,
    actor: Actor,
    name: str,
    *,
    source: str,
    user_id: int,
    username: str,
    quota_micros: int,
    currency: str,
    price_group: str | None,
    groups: list[str] | None,
    enabled: bool,
) -> Tenant:
    """Open a tenant with what a user had left elsewhere, as one entry that may be below zero.

    It is no top-up that was paid: that was there. Of a user that was moved before, its opening is
    corrected by a further entry, which only a tenant without tasks can have; what is so already is
    not noted.

    Raises:
        NameTaken, CurrencyMismatch
        NotPossible: it was removed, or has made tasks here.
        Unusable: the name, the source or a group.
    """
    check_name(source, what="source")
    await check_currency(session, currency)
    moved = await session.get(
        MovedTenant, (source, user_id), with_for_update={"key_share": True}, populate_existing=True
    )
    if moved is not None:
        return await _correct(session, actor, moved, quota_micros, currency=currency)
    check_new_name(name)
    refuse_name_of_sub_tenant(name)
    if price_group is not None:
        check_name(price_group, what="price group")
    if await find_tenant(session, name) is not None:
        raise NameTaken("tenant", name)
    account_id = await open_account(session)
    tenant = await edit.add_tenant(session, name, account_id=account_id, price_group=price_group)
    if tenant is None:  # another one took the name meanwhile
        raise NameTaken("tenant", name)
    tenant.groups, tenant.enabled = checked_groups_of_callers(groups), enabled
    moved = MovedTenant(
        source=source,
        user_id=user_id,
        tenant_id=tenant.id,
        username=username,
        opening_micros=0,
        openings=0,
    )
    session.add(moved)
    await session.flush()
    await _enter(session, actor, moved, account_id, quota_micros, currency=currency)
    await _note(
        session,
        actor,
        tenant,
        before=None,
        after={
            "source": source,
            "user_id": user_id,
            "username": username,
            "account_id": account_id,
            "opening_micros": quota_micros,
            "price_group": price_group,
            "groups": tenant.groups,
            "enabled": enabled,
        },
        amount_micros=abs(quota_micros),
    )
    return tenant


@act("task.move_in")
async def move_tasks(
    session: AsyncSession, actor: Actor, source: str, rows: Sequence[dict[str, Any]]
) -> int:
    """Keep tasks that ended elsewhere, each a row of `MovedTask`; returns how many were new.

    None of them was charged here, or will be.

    Raises:
        Unusable: the source.
    """
    check_name(source, what="source")
    kept = await session.scalars(
        insert(MovedTask).on_conflict_do_nothing().returning(MovedTask.id), list(rows)
    )
    number = len(kept.all())
    if number:
        await note_change(
            session,
            actor,
            "task.move_in",
            kind="source",
            id=None,
            name=source,
            after={"tasks": number},
        )
    return number


@act("model.move_in")
async def move_models(
    session: AsyncSession, actor: Actor, source: str, names: Mapping[str, str]
) -> None:
    """Keep what models were called elsewhere: Kling's name by each; one that is here is replaced.

    Raises:
        Unusable: the source.
    """
    check_name(source, what="source")
    rows = [
        {"name": name, "model": model, "source": source} for name, model in sorted(names.items())
    ]
    kept = insert(MovedModel).values(rows)
    await session.execute(
        kept.on_conflict_do_update(
            index_elements=[MovedModel.name],
            set_={"model": kept.excluded.model, "source": kept.excluded.source},
        )
    )
    await note_change(
        *(session, actor, "model.move_in"),
        kind="source",
        id=None,
        name=source,
        after={"models": dict(sorted(names.items()))},
    )


async def has_tasks(session: AsyncSession, tenant_id: int) -> bool:
    """Tell whether a tenant has ever made a task here."""
    return (
        await session.scalar(select(Task.id).where(Task.tenant_id == tenant_id).limit(1))
        is not None
    )


async def _correct(
    session: AsyncSession, actor: Actor, moved: MovedTenant, quota_micros: int, *, currency: str
) -> Tenant:
    tenant = await session.get_one(Tenant, moved.tenant_id)
    before = moved.opening_micros
    if before == quota_micros:
        return tenant
    # Every submit locks it: a task is seen here, or its submit waits and finds the quota corrected.
    await session.get_one(
        Account, tenant.account_id, with_for_update={"key_share": True}, populate_existing=True
    )
    await refuse_removed_meanwhile(session, tenant)
    if await has_tasks(session, tenant.id):
        raise NotPossible(
            "tenant", tenant.name, "it has made tasks here: its opening is what it was then"
        )
    account_id = AccountId(tenant.account_id)
    await _enter(session, actor, moved, account_id, quota_micros - before, currency=currency)
    await _note(
        session,
        actor,
        tenant,
        before={"opening_micros": before},
        after={"opening_micros": quota_micros},
        amount_micros=abs(quota_micros - before),
    )
    return tenant


async def _enter(
    session: AsyncSession,
    actor: Actor,
    moved: MovedTenant,
    account_id: AccountId,
    amount_micros: int,
    *,
    currency: str,
) -> None:
    if amount_micros == 0:
        return
    number = "" if moved.openings == 0 else f" #{moved.openings + 1}"
    added = await top_up(
        session,
        account_id,
        amount_micros=amount_micros,
        kind=TopupKind.CORRECTION,
        reference=f"{moved.source} user {moved.user_id}{number}",
        reason="what was left there" if moved.openings == 0 else "what was left there, corrected",
        currency=currency,
        actor=str(actor),
    )
    if not added:
        raise NotPossible("tenant", moved.username, "its opening was entered by hand")
    moved.opening_micros += amount_micros
    moved.openings += 1


async def _note(
    session: AsyncSession,
    actor: Actor,
    tenant: Tenant,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    amount_micros: int,
) -> None:
    await note_change(
        session,
        actor,
        "tenant.move_in",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        before=before,
        after=after,
        amount_micros=amount_micros,
    )
