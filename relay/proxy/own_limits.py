"""What bounds a tenant and its keys, and what is left of it.

    GET  /relay/limits
    POST /relay/tokens/{id}/limits      {"month": "100", "in_flight": 5, "day": null}

A key of scope `call` is told its own limits alone: those of the whole tenant say what other keys
took. One of scope `manage` bounds the others, by no more than it has itself.
"""

from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from relay.database.engine import Sessions
from relay.desk.errors import Busy, NotPossible, Unusable
from relay.desk.limits import set_limits
from relay.errors import InvalidParameter, Unavailable
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import IN_MICROS, LimitKind
from relay.moments import ms_of
from relay.money import decimal_of
from relay.proxy.asked import Asked, read_body, read_micros, tenant_actor
from relay.proxy.own_tokens import known_makers, own_token
from relay.tasks.free_calls import Pace
from relay.tenants.caller import Caller
from relay.tenants.gate import Gate

SETS_PER_S = 1.0


class Allowed(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be allowed, each as `relay/limits/tables.py` has it; null takes one away."""

    day: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    """Of the relay's currency, as the next four."""
    week: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    month: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    total: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    task: Decimal | msgspec.UnsetType | None = msgspec.UNSET
    in_flight: int | msgspec.UnsetType | None = msgspec.UNSET
    rate: int | msgspec.UnsetType | None = msgspec.UNSET

    def by_kind(self) -> dict[LimitKind, int | None]:
        """Give them in micros, tasks, and creates a second.

        Raises:
            InvalidParameter: an amount is none.
        """
        given = msgspec.structs.asdict(self).items()
        return {
            LimitKind(kind): read_micros(kind, amount) if isinstance(amount, Decimal) else amount
            for kind, amount in given
            if amount is not msgspec.UNSET
        }


class OwnLimits:
    """Answers a tenant about its limits, with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, *, currency: str, zone: tzinfo) -> None:
        self._sessions = sessions
        self._currency = currency
        self._zone = zone
        self._pace = Pace(SETS_PER_S)

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        _ = asked
        async with self._sessions() as session:
            found = await read_limits(
                session,
                tenant_ids=[caller.tenant_id],
                token_id=None if caller.scope.sees_all else caller.token_id,
            )
            known = await known_makers(session, caller)
        return {
            "currency": self._currency,
            "timezone": str(self._zone),
            "limits": [shown_limit(one, known) for one in found],
            "let_in": [_let_in(gate) for gate in caller.gates if not gate.is_parents],
        }

    async def set(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Set limits of one of the tenant's keys; what is not named stays.

        What came of that key is allowed no more from then on: `narrowed` has these keys.

        Raises:
            InvalidParameter: nothing was changed.
            TokenNotFound: not one of this tenant's.
            TooManyCalls: it sums up what was spent, which others are not to wait for.
        """
        allowed = read_body(asked.body, Allowed).by_kind()
        actor = tenant_actor(caller, asked)
        async with self._sessions.begin() as session:
            token_id = await own_token(session, caller, asked.key)
            self._pace.take(caller.tenant_id)
            try:
                narrowed = await set_limits(
                    *(session, actor, allowed),
                    token_id=token_id,
                    by_id=caller.token_id,
                    zone=self._zone,
                )
            except (Unusable, NotPossible) as error:
                raise InvalidParameter("limits", f"{error}; nothing was changed") from error
            except Busy as error:
                raise Unavailable from error
            found = await read_limits(session, token_id=token_id)
            known = await known_makers(session, caller)
            return {
                "limits": [shown_limit(one, known) for one in found],
                "narrowed": list(narrowed.tokens),
            }


def shown_limit(seen: LimitSeen, known: set[int] | None = None) -> dict[str, Any]:
    """Spell a limit for whom it bounds, or who bounds it; `known`: the keys that may be named."""

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
        "set_by": seen.set_by_id if known is None or seen.set_by_id in known else None,
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
