"""What clients of new-api ask about a key's money, in its words.

    GET /api/usage/token/                          of the key
    GET /v1/dashboard/billing/subscription         what OpenAI's dashboard was asked for once
    GET /v1/dashboard/billing/usage                in hundredths

Source: `../shared/new-api.md` has the first one's shape, new-api's controllers the others'. New-api
counts in quota, half a million to a unit of currency; here that is a unit of the books' currency.
A key of scope `call` is told what it used itself, and what its account has left.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import text

from relay.database.engine import Sessions
from relay.money import MICROS
from relay.proxy.asked import Asked
from relay.proxy.own_money import read_money
from relay.tenants.caller import Caller
from relay.usage.resold import TAKEN, TAKEN_RESOLD

NEW_API = (b"api/usage/token", b"dashboard/billing/subscription", b"dashboard/billing/usage")
"""Below `/` and `/v1`, in the order above."""
QUOTA_PER_UNIT = 500_000
CENTS = 100
UNLIMITED = 100_000_000
"""What new-api says of a key without a bound, as of a sub-tenant that no limit of money is set."""

USED = """
SELECT coalesce(sum({taken}), 0)
FROM entries e JOIN tasks t ON t.id = e.task_id
WHERE e.account_id = :account_id
    AND t.tenant_id IN (SELECT id FROM tenants WHERE id = :tenant_id OR parent_id = :tenant_id)
    AND (CAST(:token_id AS bigint) IS NULL OR t.token_id = :token_id)
"""


class NewApiUsage:
    """Answers with the whole body: none of it stands in Kling's envelope."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def token(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _ = asked
        used, available = await self._read(caller)
        left = available or 0
        return {
            "code": True,
            "message": "ok",
            "data": {
                "object": "token_usage",
                "name": f"token-{caller.token_id}",
                "total_granted": _quota(used + left),
                "total_used": _quota(used),
                "total_available": _quota(left),
                "unlimited_quota": available is None,
                "model_limits": {},
                "model_limits_enabled": False,
                "expires_at": 0,
            },
        }

    async def subscription(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _ = asked
        used, available = await self._read(caller)
        limit = UNLIMITED if available is None else _amount(used + available)
        return {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": limit,
            "hard_limit_usd": limit,
            "system_hard_limit_usd": limit,
            "access_until": 0,
        }

    async def usage(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _ = asked  # new-api has no use for the days either
        used, _ = await self._read(caller)
        return {"object": "list", "total_usage": float(Decimal(used * CENTS) / MICROS)}

    async def _read(self, caller: Caller) -> tuple[int, int | None]:
        """Read what was used, and what is free, in micros; None is without a bound."""
        values = {
            "account_id": caller.account_id,
            "tenant_id": caller.tenant_id,
            "token_id": None if caller.scope.sees_all else caller.token_id,
        }
        async with self._sessions() as session:
            taken = TAKEN if caller.parent_id is None else TAKEN_RESOLD
            used = await session.scalar(text(USED.format(taken=taken)), values)
            return int(used or 0), (await read_money(session, caller)).available_micros


def _quota(micros: int) -> int:
    return micros * QUOTA_PER_UNIT // MICROS


def _amount(micros: int) -> float:
    return float(Decimal(micros) / MICROS)
