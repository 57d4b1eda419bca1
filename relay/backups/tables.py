"""Which backups were made, and which one this database came from."""

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped

from relay.database.base import Base, identity, moment, stamped


class Backup(Base):
    """One that was made, or failed. A backup does not hold its own row."""

    __tablename__ = "backups"
    __table_args__ = (
        CheckConstraint("(bytes IS NULL) = (error IS NOT NULL)", name="made_or_failed"),
        Index("backups_made", "made_at", postgresql_where="error IS NULL"),
        Index(None, "ended_at"),
    )

    id: Mapped[identity]
    made_at: Mapped[moment]
    """What was committed before is in it; of one that failed, when it began."""
    ended_at: Mapped[stamped]
    place: Mapped[str]
    """As commands take it; it has no secret."""
    bytes: Mapped[int | None]
    error: Mapped[str | None]
    """Why there is none."""
    actor: Mapped[str]
    """Whose doing it is, as `desk/actor.py` spells: `relay` is the schedule."""


class Restore(Base):
    """One time that this database was set back, and the prefix of external ids until then."""

    __tablename__ = "restores"

    id: Mapped[identity]
    at: Mapped[stamped]
    as_of: Mapped[moment]
    """What was committed later is lost."""
    source: Mapped[str]
    """Which backup, as commands take it; or how else."""
    former_prefix: Mapped[str]
