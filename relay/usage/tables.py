"""Days, and hours of the last ones, whose usage was summed up once; and what makes them stale.

All of it follows from tasks, entries and purchase prices: it may be emptied at any time.
"""

from sqlalchemy import ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, micros, moment, stamped


class RolledDay(Base):
    """A day that was over when it was summed up, or an hour of one that was not.

    By its two moments and not by its date, so that one of another time zone is another day.
    """

    __tablename__ = "rolled_days"
    __table_args__ = (UniqueConstraint("start_at", "until_at"),)

    id: Mapped[identity]
    """Another one whenever it is summed up anew."""
    start_at: Mapped[moment]
    until_at: Mapped[moment]
    """The first moment behind it."""
    form: Mapped[int] = mapped_column(server_default=text("1"))
    """Which figures its lines have: `rolled.FORM`. Of the first version, which says none, 1."""
    currency: Mapped[str]
    """Of the books."""
    costs: Mapped[int]
    """How many purchase prices held by `ended_until`. They are only ever added, so that the same
    number now is the same prices."""
    ended_until: Mapped[moment]
    """When the last one ended of the tasks that it read: prices from later on are none of its."""
    rolled_at: Mapped[stamped]


class _Figures:
    """As `raw.FIGURES` names them."""

    day_id: Mapped[int] = mapped_column(
        ForeignKey("rolled_days.id", ondelete="CASCADE"), primary_key=True
    )
    line: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    channel_id: Mapped[int]
    model: Mapped[str | None]
    endpoint: Mapped[str]
    tasks: Mapped[int]
    succeeded: Mapped[int]
    failed: Mapped[int]
    refused: Mapped[int]
    charges: Mapped[int]
    seconds: Mapped[int]
    images: Mapped[int]
    charged_micros: Mapped[micros]
    resold_micros: Mapped[micros]
    cost_micros: Mapped[micros]
    at_list: Mapped[int]
    uncharged: Mapped[int]
    without_cost: Mapped[int]
    without_cost_micros: Mapped[micros]


class RolledUsage(_Figures, Base):
    """What a day came to, of all that has the same keys."""

    __tablename__ = "rolled_usage"
    __table_args__ = (
        Index(None, "tenant_id", "day_id"),
        Index(None, "account_id", "day_id"),
        Index(  # of whom there are thousands, and few are looked for
            "rolled_usage_by_tenant",
            *("day_id", "tenant_id"),
            postgresql_include=["charged_micros"],
        ),
    )

    account_id: Mapped[int]
    tenant_id: Mapped[int]
    token_id: Mapped[int]
    charge_entries: Mapped[int] = mapped_column(server_default=text("0"))
    """Entries of charges, also of tasks that are no success any more."""
    charge_micros: Mapped[micros] = mapped_column(server_default=text("0"))
    """What they come to, before refunds and corrections."""


class RolledWhole(_Figures, Base):
    """The same of all tenants together, which is a few rows a day."""

    __tablename__ = "rolled_whole"


class RolledMark(Base):
    """A moment of which something was changed later: the day that it is in is stale.

    Written by triggers on tasks and entries, in the transaction that changes them. No unique key:
    who changes two tasks of a day would wait for each other.
    """

    __tablename__ = "rolled_marks"
    __table_args__ = (Index(None, "at"),)

    id: Mapped[identity]
    at: Mapped[moment]
