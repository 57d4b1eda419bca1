"""What a tenant may spend: of its account, or of a sub-tenant within its own limits.

A sub-tenant has no account that it is told of: what is there is its parent's, and how much of it
is left is said to nobody else. What it is told is what its own tasks hold, at its own prices, and
what its limits leave.
"""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.ledger.tables import Account
from relay.limits.read import read_limits
from relay.limits.tables import SPEND
from relay.money import RESOLD
from relay.tenants.caller import Caller

HELD = f"""
SELECT coalesce(sum({RESOLD.format(micros="t.hold_micros", task="t")}), 0)::bigint
FROM tasks t
WHERE t.account_id = :account_id AND t.tenant_id = :tenant_id AND t.hold_ended_at IS NULL
"""  # noqa: S608 (composed of constants)


class OwnMoney(msgspec.Struct, frozen=True):
    """In micros; what is None is not told, or not bounded."""

    quota_micros: int | None
    credit_micros: int | None
    owed_micros: int | None
    held_micros: int
    available_micros: int | None


async def read_money(session: AsyncSession, caller: Caller) -> OwnMoney:
    """Read what a caller is told of its money."""
    if caller.parent_id is None:
        account = await session.get_one(Account, caller.account_id)
        return OwnMoney(
            account.quota_micros,
            account.credit_micros,
            account.owed_micros,
            account.held_micros,
            account.available_micros,
        )
    values = {"account_id": caller.account_id, "tenant_id": caller.tenant_id}
    held = await session.scalar(text(HELD), values) or 0
    found = await read_limits(session, tenant_ids=[caller.tenant_id])
    left = [
        one.left
        for one in found
        if one.kind in SPEND and one.token_id in (None, caller.token_id) and one.left is not None
    ]
    return OwnMoney(None, None, None, held, min(left, default=None))
