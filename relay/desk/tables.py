"""Changes: what was done at the desk, by whom. A trigger refuses UPDATE, DELETE and TRUNCATE."""

from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, stamped


class Change(Base):
    """One act."""

    __tablename__ = "changes"
    __table_args__ = (
        Index(None, "subject", "id"),
        Index(None, "actor", "id"),
        Index("changes_forms", "request_id", postgresql_where=text("request_id LIKE 'form-%'")),
        Index("changes_amounts", "actor", "at", postgresql_where=text("amount_micros IS NOT NULL")),
    )

    id: Mapped[identity]
    at: Mapped[stamped]
    actor: Mapped[str]
    """As `actor.py` spells: `system:ann`."""
    origin: Mapped[str]
    request_id: Mapped[str | None]
    act: Mapped[str]
    """Such as `tenant.open`."""
    subject_kind: Mapped[str]
    subject_id: Mapped[int | None]
    """Ours; null of what has no id, such as a price that is gone."""
    subject: Mapped[str]
    """Its name then: things are renamed."""
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What the act changed, as it was; null of what is new."""
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reason: Mapped[str | None]
    amount_micros: Mapped[int | None]
    """How much money it moved or gave, of acts that have ceilings (`roles.py`)."""
