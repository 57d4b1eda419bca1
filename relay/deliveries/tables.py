"""Deliveries: what is to be told to a tenant's callback URL, and every attempt at it."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from relay.database.base import Base, identity, moment, stamped

WEBHOOK_ID = "('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text))"
HOST_OF_URL = (
    "coalesce(lower(substring(url, '^[A-Za-z]+://(?:[^/?#]*@)?([^/?#]*)'::text)), ''::text)"
)
"""Both are spelled as Postgres gives them back, so that Alembic finds nothing to change."""


class DeliveryState(StrEnum):
    """Where one delivery stands."""

    DUE = "due"
    """To be sent at `next_attempt_at`, or being sent."""
    DELIVERED = "delivered"
    """The tenant's server answered 2xx."""
    SUPERSEDED = "superseded"
    """A newer status of the same task is told instead."""
    DEAD = "dead"
    """Given up, with a reason."""


class Delivery(Base):
    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'delivered', 'superseded', 'dead')", name="state_known"),
        CheckConstraint("lease IS NULL OR state = 'due'", name="leased_only_if_due"),
        Index(None, "task_id"),
        Index(None, "tenant_id", "id"),
        Index("deliveries_dead", "id", postgresql_where="state = 'dead'"),
        Index("deliveries_sealed_url", "ended_at", postgresql_where="url LIKE '% %'"),
        Index("deliveries_due_of_task", "task_id", "id", postgresql_where="state = 'due'"),
        Index(
            "deliveries_lanes",
            *("tenant_id", "host", "next_attempt_at"),
            postgresql_where="state = 'due'",
        ),
    )

    id: Mapped[identity]
    webhook_id: Mapped[str] = mapped_column(unique=True, server_default=text(WEBHOOK_ID))
    """The `webhook-id` header, the same at each attempt; what the tenant knows the row by."""
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    url: Mapped[str]
    """As `kept_url.py` spells it: what may be a credential is sealed."""
    host: Mapped[str] = mapped_column(Computed(HOST_OF_URL, persisted=True))
    """Host and port as the URL spells them: what places are counted by, and no check."""
    task_status: Mapped[str]
    body: Mapped[str]
    """Exactly what is sent: Kling's callback body with the tenant's own ids and costs."""
    state: Mapped[str] = mapped_column(server_default=text("'due'"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Counted when a worker claims the row, so that one it died of is counted too."""
    next_attempt_at: Mapped[moment] = mapped_column(server_default=text("now()"))
    """While the row is leased: when the lease ends."""
    lease: Mapped[Any | None] = mapped_column(Uuid)
    """Whose attempt may complete the row; a new one at each claim."""
    retried_since: Mapped[moment | None]
    """The first attempt since the row was written or replayed: 72 hours begin here."""
    ended_at: Mapped[moment | None]
    reason: Mapped[str | None]
    """What went wrong last, or why it was given up."""
    created_at: Mapped[stamped]


class DeliveryAttempt(Base):
    """One HTTP try; written when it is claimed, so an attempt without outcome lost its worker."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (Index(None, "at"),)

    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[stamped]
    http_status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None]
    """Why there is no HTTP status."""
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    response: Mapped[str | None]
    """The beginning of what the tenant's server answered."""


class WebhookSecret(Base):
    """A tenant's Standard Webhooks secret, sealed; two while one replaces the other."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index(None, "tenant_id"),)

    id: Mapped[identity]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    secret_sealed: Mapped[str]
    created_at: Mapped[stamped]
    expires_at: Mapped[moment | None]
    """Set by a rotation: until then both sign."""
