"""What tenants are told of."""

from enum import StrEnum


class Event(StrEnum):
    """One kind of notice, by its name in webhooks."""

    QUOTA_LOW = "quota.low"
    """Less is left than the place asks to be warned of, or than the last 24 hours cost."""
    QUOTA_EMPTY = "quota.empty"
    """Nothing is left: creates that cost something are refused."""
    LIMIT_NEAR = "limit.near"
    """50, 80 or 100 % of a limit is taken."""
    TOKEN_EXPIRING = "token.expiring"  # noqa: S105 (no password)
    """A key, or the tenant itself, ends within 7 days, and within one."""
    PRICE_CHANGING = "price.changing"
    """What it pays is another price from a moment on."""
    STATEMENT_READY = "statement.ready"
    """A month was closed."""
    TASK_REFUNDED = "task.refunded"
    """A task's charge was given back, or a part of it."""
    SERVICE_PAUSED = "service.paused"
    """Creates are refused for a while, or are taken again."""
    TEST = "test"
    """Somebody wants to see whether a place works; it goes to that one whatever it wants."""


WANTED = tuple(one for one in Event if one is not Event.TEST)
"""Those that a place may name."""
