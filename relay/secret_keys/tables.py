"""One row for each secret key that this database has seen."""

from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, moment, stamped


class SecretKey(Base):
    """A key by its id; the key itself is nowhere but in the settings."""

    __tablename__ = "secret_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    proof: Mapped[str]
    """A word that it sealed: whoever opens it has that key."""
    first_used_at: Mapped[stamped]
    retired_at: Mapped[moment | None]
    """Since when nothing is sealed by it that anybody could still read."""
