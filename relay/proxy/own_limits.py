"""`GET /relay/limits`: what bounds a tenant and its keys, and what is left of it.

A key of scope `call` is told its own limits alone: those of the whole tenant say what other keys
took.
"""

from datetime import datetime
from typing import Any

from relay.database.engine import Sessions
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import IN_MICROS
from relay.moments import ms_of
from relay.money import decimal_of
from relay.proxy.asked import Asked
from relay.tenants.caller import Caller
from relay.tenants.gate import Gate


class OwnLimits:
    """Answers a tenant about its limits, with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, *, currency: str, timezone: str) -> None:
        self._sessions = sessions
        self._currency = currency
        self._timezone = timezone

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _ = asked
        async with self._sessions() as session:
            found = await read_limits(
                session,
                tenant_ids=[caller.tenant_id],
                token_id=None if caller.scope.sees_all else caller.token_id,
            )
        return {
            "currency": self._currency,
            "timezone": self._timezone,
            "limits": [_shown(one) for one in found],
            "let_in": [_let_in(gate) for gate in caller.gates],
        }


def _shown(seen: LimitSeen) -> dict[str, Any]:
    def amount(number: int | None) -> str | int | None:
        return decimal_of(number) if number is not None and seen.kind in IN_MICROS else number

    return {
        "token_id": seen.token_id,
        "kind": seen.kind.value,
        "allowed": amount(seen.allows),
        "taken": amount(seen.taken),
        "left": amount(seen.left),
        "begins_anew_at": _ms(seen.until_at),
        "raised_until": _ms(seen.raised_until),
    }


def _let_in(gate: Gate) -> dict[str, Any]:
    """Say what the key that asks, or its tenant, is let in for; null is no bound."""
    return {
        "expires_at": _ms(gate.expires_at),
        "addresses": gate.addresses,
        "endpoints": None if gate.endpoints is None else sorted(gate.endpoints),
        "models": None if gate.models is None else sorted(gate.models),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
