"""Rules with their states, places that messages go to, the messages, and what processes noted."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from relay.database.base import Base, identity, moment, stamped


class Severity(StrEnum):
    """Who is to read it, and when."""

    PAGE = "page"
    """Whoever is on call, now."""
    TICKET = "ticket"
    """Somebody, on the next morning."""


class AlertRule(Base):
    """One rule of `rules.py`, by its name: how it stands, and what the operator set of it."""

    __tablename__ = "alert_rules"

    name: Mapped[str] = mapped_column(primary_key=True)
    bound: Mapped[Decimal | None] = mapped_column(Numeric)
    """The operator's; null is the rule's own."""
    pause_s: Mapped[int | None] = mapped_column(Integer)
    """Least time between two messages; null is the rule's own."""
    muted_until: Mapped[moment | None]
    is_firing: Mapped[bool] = mapped_column(server_default=text("false"))
    since: Mapped[stamped]
    """When it came to this state."""
    found: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What fires, in words: by channel, tenant, model, …; or one thing, by ''."""
    told: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    """What of it operators were told last; nothing is "it is over"."""
    told_at: Mapped[moment | None]
    checked_at: Mapped[moment | None]
    """When it was judged last."""
    error: Mapped[str | None]
    """Why it could not be, since then."""


class AlertPlace(Base):
    """Where messages go."""

    __tablename__ = "alert_places"
    __table_args__ = (CheckConstraint("least IN ('page', 'ticket')", name="least_known"),)

    id: Mapped[identity]
    shown: Mapped[str]
    """Scheme and host of the URL, which may be seen."""
    url_sealed: Mapped[str]
    least: Mapped[str]
    """The least severity that goes there."""
    created_at: Mapped[stamped]


class AlertMessage(Base):
    """One message to one place."""

    __tablename__ = "alert_messages"
    __table_args__ = (
        Index("alert_messages_due", "next_attempt_at", postgresql_where="ended_at IS NULL"),
        Index(None, "place_id"),
        Index(None, "created_at"),
    )

    id: Mapped[identity]
    rule: Mapped[str]
    place_id: Mapped[int] = mapped_column(ForeignKey("alert_places.id", ondelete="CASCADE"))
    is_firing: Mapped[bool]
    title: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[stamped]
    next_attempt_at: Mapped[moment] = mapped_column(server_default=text("now()"))
    """While it is leased: when the lease ends."""
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lease: Mapped[Any | None] = mapped_column(Uuid)
    ended_at: Mapped[moment | None]
    error: Mapped[str | None]
    """Why the last attempt did not arrive; of an ended one: it was given up."""


class AlertNote(Base):
    """What one process alone can see: its readiness, its disk, a charge that it could not write."""

    __tablename__ = "alert_notes"

    rule: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(primary_key=True)
    """Machine and number."""
    said: Mapped[str]
    noted_at: Mapped[stamped]
    until: Mapped[moment]
    """How long it counts unless it is noted again."""
