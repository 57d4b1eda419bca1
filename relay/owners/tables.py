"""Owners: one row per resource."""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class Owner(Base):
    __tablename__ = "owners"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('video', 'audio', 'element', 'voice', 'session')", name="kind_known"
        ),
        # By id first, as requests name them; an id is unique on its account only.
        Index("owners_key", "resource_id", "kind", "channel_id", unique=True),
        Index(None, "tenant_id", "kind", "id"),
        # By age they are forgotten; BRIN, since they expire in the order they are learned.
        Index("owners_expiring", "expires_at", postgresql_using="brin"),
        # A list of what calls made leaves out what was deleted since.
        Index("owners_deleted", "task_id", postgresql_where="deleted_at IS NOT NULL"),
    )

    id: Mapped[identity]
    kind: Mapped[str]
    resource_id: Mapped[str]
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    """The task that made it; null if a call or the operator told us."""
    expires_at: Mapped[moment | None]
    """Kling forgets media after 30 days and sessions after 24 hours (docs/kling-api.md 12)."""
    deleted_at: Mapped[moment | None]
    created_at: Mapped[stamped]
