"""What a tenant is told when a limit refuses a create: which limit, and what is left of it."""

from relay.database.driver import Record
from relay.errors import (
    QuotaWithheld,
    RelayError,
    SpendLimited,
    TaskTooDear,
    TooDear,
    TooManyCalls,
    TooManyCreates,
    TooManyInFlight,
    TooManyTasks,
)
from relay.limits.statements import ONE_CREATE
from relay.limits.tables import LimitKind
from relay.money import decimal_of

OF = {
    LimitKind.DAY: "limit per day",
    LimitKind.WEEK: "limit per week",
    LimitKind.MONTH: "limit per month",
    LimitKind.TOTAL: "limit in total",
    LimitKind.TASK: "limit per task",
    LimitKind.IN_FLIGHT: "limit of tasks in flight",
    LimitKind.RATE: "limit of creates per second",
}


def refuse_by_limit(record: Record, *, needed: int, currency: str) -> RelayError:
    """Word what HOLD says of the limit that it did not fit; `needed`: micros."""
    kind = LimitKind(record["limit_kind"])
    if record["is_of_parent"]:
        return _refuse_by_parents(kind)
    limit = f"this key's {OF[kind]}" if record["is_of_token"] else f"your {OF[kind]}"
    allowed = record["allowed"]

    def amount(micros: int) -> str:
        return f"{decimal_of(micros)} {currency}"

    match kind:
        case LimitKind.TASK:
            return TaskTooDear(limit, allowed=amount(allowed), needed=amount(needed))
        case LimitKind.IN_FLIGHT:
            return TooManyInFlight(limit, allowed=allowed)
        case LimitKind.RATE:
            return TooManyCreates(limit, allowed=allowed // ONE_CREATE)
        case _:
            until = record["until_at"]
            return SpendLimited(
                limit,
                allowed=amount(allowed),
                left=amount(record["room"]),
                needed=amount(needed),
                until="" if until is None else f"{until:%Y-%m-%d %H:%M} UTC",
            )


def _refuse_by_parents(kind: LimitKind) -> RelayError:
    """Word a refusal by a limit of the tenant above, of which nothing else is told."""
    match kind:
        case LimitKind.TASK:
            return TooDear()
        case LimitKind.IN_FLIGHT:
            return TooManyTasks()
        case LimitKind.RATE:
            return TooManyCalls()
        case _:
            return QuotaWithheld()
