"""Tenants of tenants, one level deep: the account above pays, and they see prices of their own.

A sub-tenant is called `parent/name`, so that what one tenant's are called says nothing to another.
"""

import uuid
from collections.abc import Iterator
from decimal import Decimal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor, ActorKind
from relay.desk.changes import note_change
from relay.desk.errors import NameTaken, NotPossible, Unusable
from relay.desk.find import tenant_to_act_on
from relay.desk.names import check_name, check_new_name
from relay.limits.inherit import inherit_limits
from relay.money import plain
from relay.notices.events import Event
from relay.notices.prices import AT_ONCE, news_of_factor
from relay.notices.tell import tell
from relay.tenants import edit
from relay.tenants.read import SLASH, find_tenant, own_name, read_sub_tenants, sub_name
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import lock_maker

SUB_TENANTS_MAX = 1000
"""Of one tenant, which opens them itself."""
RESALE_MAX = 1000
PLACES_MAX = 6
OF_WHO_PAYS = ("multiplier", "price_group", "asset_gb_month_micros", "tasks_max")
"""What is set of the tenant above: its prices and its account are those that count."""


def check_resale(resale: Decimal) -> None:
    """Refuse a factor that would sell below what the tenant above pays, or raise Unusable."""
    exponent = resale.as_tuple().exponent
    is_fine = isinstance(exponent, int) and exponent >= -PLACES_MAX
    if not is_fine or not 1 <= resale <= RESALE_MAX:
        raise Unusable(
            f"a factor is from 1 to {RESALE_MAX}, with {PLACES_MAX} places at most", field="factor"
        )


def refuse_name_of_sub_tenant(name: str) -> None:
    """Refuse to call a tenant with an account of its own as one below another is, or Unusable."""
    if SLASH in name:
        raise Unusable(
            "a name with / is a sub-tenant's, which is opened below the tenant before its /",
            field="name",
        )


@act("sub_tenant.open")
async def open_sub_tenant(
    session: AsyncSession,
    actor: Actor,
    parent: str,
    name: str,
    *,
    resale: Decimal,
    made_by_id: int | None = None,
) -> Tenant:
    """Add a tenant below another one, whose account it draws on.

    `name`: without its parent's before it. `made_by_id`: the parent's token that opens it: the
    tenant is bounded as that one is, and shut out when it is revoked.

    Raises:
        NoSuch, NotPossible: the parent was removed or is a sub-tenant, or the token was revoked.
        NameTaken
        Unusable: the name, the factor, or the token may not open any.
    """
    check_resale(resale)
    check_name(name)
    if SLASH in name:
        raise Unusable("a sub-tenant's own name has no / in it", field="name")
    called = sub_name(parent, name)
    check_new_name(called)
    above = await tenant_to_act_on(session, parent, is_locked=True)
    if above.parent_id is not None:
        raise NotPossible("tenant", parent, "it is a sub-tenant, and has none of its own")
    maker = None if made_by_id is None else await _lock_opener(session, made_by_id, above)
    if await find_tenant(session, called) is not None:
        raise NameTaken("tenant", called)
    if len(await read_sub_tenants(session, above.id)) >= SUB_TENANTS_MAX:
        raise Unusable(f"a tenant has {SUB_TENANTS_MAX} sub-tenants at most", field="name")
    tenant = await edit.add_sub_tenant(session, called, above, resale=resale, maker=maker)
    if tenant is None:  # another one took the name meanwhile
        raise NameTaken("tenant", called)
    if maker is not None:
        await inherit_limits(session, maker_id=maker.id, tenant_id=tenant.id, token_id=None)
    await note_change(
        session,
        actor,
        "sub_tenant.open",
        kind="tenant",
        id=tenant.id,
        name=tenant.name,
        after={
            "parent": above.name,
            "account_id": tenant.account_id,
            "factor": plain(resale),
            "opened_by": made_by_id,
        },
    )
    return tenant


async def _lock_opener(session: AsyncSession, token_id: int, parent: Tenant) -> Token:
    maker = await lock_maker(session, token_id)
    if maker is None or maker.tenant_id != parent.id:
        raise NotPossible("token", token_id, "it was revoked")
    if not Scope(maker.scope).has(Scope.MANAGE):
        raise Unusable(f"a key of scope {maker.scope} opens no sub-tenants")
    if maker.is_test:
        raise Unusable("a key for tests opens no sub-tenants")
    return maker


def refuse_of_parent(changes: msgspec.Struct, tenant: Tenant) -> None:
    """Refuse what a tenant has only with an account of its own, or only without one.

    Raises:
        Unusable
    """
    given = {
        name
        for name, value in msgspec.structs.asdict(changes).items()
        if value is not msgspec.UNSET
    }
    if tenant.parent_id is None:
        if "resale" in given:
            raise Unusable("only a sub-tenant has a factor", field="factor")
    elif found := next((name for name in OF_WHO_PAYS if name in given), None):
        raise Unusable(
            "a sub-tenant has its parent's prices, times its factor, and its parent's account: this"
            " is set of the parent",
            field=found,
        )


async def note_who_shuts(
    session: AsyncSession, tenant: Tenant, actor: Actor, *, is_changed: bool
) -> None:
    """Note by whom one is shut out, or refuse its parent to let in what an operator shut out.

    An operator's word stands, also of one that its parent had shut out before. Who is let in again
    does not depend on the token that opened it any more, if that is gone. While that is live it
    stays bound to it: whoever has it could else outlive it.

    Raises:
        NotPossible
    """
    is_parent = actor.kind is ActorKind.TENANT
    if not tenant.enabled:
        tenant.shut_by_parent = is_parent and (is_changed or tenant.shut_by_parent)
        return
    if not is_changed:
        return
    if is_parent and not tenant.shut_by_parent:
        raise NotPossible("tenant", tenant.name, "only your provider lets it in again")
    tenant.shut_by_parent = False
    if tenant.made_by_id is not None:
        maker = await session.get_one(Token, tenant.made_by_id)
        if maker.revoked_at is not None:
            tenant.made_by_id = None


async def tell_of_factor(session: AsyncSession, tenant: Tenant, *, was: Decimal) -> None:
    """Tell a sub-tenant that its prices are others from its next create on, and nothing else."""
    assert tenant.resale is not None, "it has a factor"
    now = await session.scalar(select(func.now()))
    assert now is not None, "a database has a clock"
    if data := news_of_factor(was, tenant.resale, at=now):
        key = f"{AT_ONCE}/factor/{uuid.uuid4()}"
        await tell(session, Event.PRICE_CHANGING, key, data, tenant_id=tenant.id)


async def rename_with_sub_tenants(
    session: AsyncSession, tenant: Tenant, name: str, *, actor: Actor
) -> None:
    """Rename a locked tenant, and its sub-tenants by it.

    Raises:
        NameTaken
        Unusable: a sub-tenant's name would be too long, or would not begin with its parent's; or
            another one's would be as a sub-tenant's.
    """
    before = tenant.name
    if tenant.parent_id is not None:
        parent = await session.get_one(Tenant, tenant.parent_id)
        if sub_name(parent.name, own_name(name)) != name:
            raise Unusable(f"a sub-tenant is called {sub_name(parent.name, '…')}", field="name")
    elif name != before:
        refuse_name_of_sub_tenant(name)
    await _rename(session, tenant, name)
    if tenant.parent_id is not None or name == before:
        return
    for below in await read_sub_tenants(session, tenant.id):
        was = below.name
        called = sub_name(name, own_name(was))
        check_new_name(called)
        await _rename(session, below, called)
        await note_change(
            session,
            actor,
            "tenant.change",
            kind="tenant",
            id=below.id,
            name=was,
            before={"name": was},
            after={"name": called},
        )


async def _rename(session: AsyncSession, tenant: Tenant, name: str) -> None:
    if not await edit.rename_tenant(session, tenant, name):
        raise NameTaken("tenant", name, renamed=tenant.name)


async def refuse_parent(session: AsyncSession, tenant: Tenant) -> None:
    """Refuse to remove who has sub-tenants, or raise NotPossible."""
    if below := await read_sub_tenants(session, tenant.id):
        names = ", ".join(_first(below))
        raise NotPossible("tenant", tenant.name, f"it has sub-tenants, which go first: {names}")


def _first(tenants: list[Tenant], most: int = 5) -> Iterator[str]:
    yield from (one.name for one in tenants[:most])
    if len(tenants) > most:
        yield "…"
