"""What a rule is, and how what it finds is spelt."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.tables import Severity

Found = dict[str, str]
"""What fires, in words, by what it is about: a channel, a tenant, a model; '' is the relay."""


class Voice(msgspec.Struct, frozen=True):
    """How messages speak."""

    url: str | None
    """Of the relay, whose name they begin with; None: the machine's is."""
    say: Callable[[str], str]
    """Puts a sentence of ours in the operators' language."""


class Around(msgspec.Struct, frozen=True):
    """What questions need of the settings."""

    voice: Voice
    currency: str
    audit_every_s: float
    backup_every_s: float | None
    """None: no worker makes any."""


Ask = Callable[[AsyncSession, float, Around], Awaitable[Found]]
"""With the rule's bound; raises whatever the database does."""


class Bound(msgspec.Struct, frozen=True):
    """What a rule compares with."""

    at: Decimal
    """Unless the operator has set another."""
    unit: str
    is_least: bool = False
    """It fires below it, and not above."""

    @property
    def word(self) -> str:
        return "below" if self.is_least else "above"


class Rule(msgspec.Struct, frozen=True):
    """One rule; its row in the database has its state."""

    name: str
    title: str
    """A sentence without its full stop: what is wrong."""
    severity: Severity
    ask: Ask
    to_do: str
    entry: str
    """Of docs/operate.md, "What each alert wants"."""
    bound: Bound | None = None

    @property
    def pause_s(self) -> int:
        """Say how long it is silent after a message, unless the operator has set another."""
        return 300 if self.severity is Severity.PAGE else 1800


def spell(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def ago(seconds: float) -> str:
    """Spell a length as a person says it: 50 s, 12 min, 3.5 h, 4 days."""
    for unit, length, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if seconds < until:
            number = seconds / length
            return f"{number:.0f} {unit}" if unit != "h" else f"{number:.1f} {unit}"
    return f"{seconds / 86400:.0f} days"
