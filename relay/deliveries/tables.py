"""Deliveries: what is to be told to a tenant's callback URL."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class DeliveryState(StrEnum):
    """Where one delivery stands."""

    DUE = "due"
    """To be sent at `next_attempt_at`."""
    DELIVERED = "delivered"
    """The tenant's server answered 2xx."""
    SUPERSEDED = "superseded"
    """A newer status of the same task is told instead."""
    DEAD = "dead"
    """Given up, with a reason."""


class Delivery(Base):
    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint(
            "state IN ('due', 'delivered', 'superseded', 'dead')", name="state_known"
        ),
        Index(None, "task_id"),
        Index("deliveries_due", "next_attempt_at", postgresql_where="state = 'due'"),
    )

    id: Mapped[identity]
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    url: Mapped[str]
    task_status: Mapped[str]
    body: Mapped[str]
    """Exactly what is sent: Kling's callback body with the tenant's own ids and costs."""
    state: Mapped[str] = mapped_column(server_default=text("'due'"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[moment] = mapped_column(server_default=text("now()"))
    created_at: Mapped[stamped]
