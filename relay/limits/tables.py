"""One row a limit."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class LimitKind(StrEnum):
    """What is limited."""

    DAY = "day"
    """Micros a day: what ended tasks cost that were created in it, and what its live ones hold."""
    WEEK = "week"
    """The same of a week, from Monday on."""
    MONTH = "month"
    TOTAL = "total"
    """The same of all time."""
    TASK = "task"
    """Micros that one task may hold; nothing is counted."""
    IN_FLIGHT = "in_flight"
    """Tasks whose hold is open, those that wait for room among them."""
    RATE = "rate"
    """Creates a second, as many of them at once; counted in millionths, which run off by time."""

    def named(self, name: str = "") -> str:
        """Name an amount of it, so that one of money can be told from a number: `month_micros`."""
        name = name or self.value
        return f"{name}_micros" if self in IN_MICROS else name


SPEND = frozenset({LimitKind.DAY, LimitKind.WEEK, LimitKind.MONTH, LimitKind.TOTAL})
IN_MICROS = SPEND | {LimitKind.TASK}
KEPT = SPEND | {LimitKind.IN_FLIGHT}
"""Those of which a task keeps what it took, since its end changes it."""


class Limit(Base):
    """A limit of a tenant, or of one token of it.

    No check of `taken`: what ends a task writes it, and must not be able to fail.
    """

    __tablename__ = "limits"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('day', 'week', 'month', 'total', 'task', 'in_flight', 'rate')",
            name="kind_known",
        ),
        CheckConstraint("allowed >= 0", name="allowed_not_negative"),
        CheckConstraint("(raised IS NULL) = (raised_until IS NULL)", name="raise_is_whole"),
        Index(
            "limits_one_of_kind",
            *("tenant_id", "token_id", "kind"),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        {"postgresql_with": {"fillfactor": 50}},  # updated in place by each hold
    )

    id: Mapped[identity]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    token_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id"))
    """Null is all that its tenant does."""
    kind: Mapped[str]
    allowed: Mapped[int]
    """Micros, tasks, or creates a second."""
    allowed_max: Mapped[int | None]
    """What an operator allowed before a key set less: no key sets more. Null is no such bound, or
    that an operator set it last: then it is `allowed`."""
    raised: Mapped[int | None]
    """Allowed instead until `raised_until`, if it is more."""
    raised_until: Mapped[moment | None]
    start_at: Mapped[moment]
    """Where the window begins that is counted, and of what has none the epoch; of a rate, when it
    was last counted."""
    until_at: Mapped[moment | None]
    """The first moment behind it: the next hold has the row rolled over."""
    taken: Mapped[int] = mapped_column(server_default=text("0"))
    """In this window, in what is limited; of a rate in millionths of a create."""
    taken_before: Mapped[int] = mapped_column(server_default=text("0"))
    """What is of it of tasks that had ended when the limit was set, and keep nothing of it."""
    set_by_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id"))
    """The key that set it last, or that made what it is of; null is an operator."""
    created_at: Mapped[stamped]

    @property
    def most_by_keys(self) -> int | None:
        """What a key may set it to at most; None is any amount, and to take it away."""
        return self.allowed if self.set_by_id is None else self.allowed_max
