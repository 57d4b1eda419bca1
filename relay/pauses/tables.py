"""One row for each pause, past ones too."""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class Pause(Base):
    """Stops the creates that fit all it names; one that names nothing stops every create."""

    __tablename__ = "pauses"
    __table_args__ = (Index("pauses_open", "id", postgresql_where="ended_at IS NULL"),)

    id: Mapped[identity]
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channels.id"))
    endpoint: Mapped[str | None]
    model: Mapped[str | None]
    """As prices name it, in lower case."""
    reason: Mapped[str]
    """For operators alone."""
    until: Mapped[moment | None]
    """When it ends by itself; None is never."""
    created_at: Mapped[stamped]
    ended_at: Mapped[moment | None]
    """When an operator ended it."""
