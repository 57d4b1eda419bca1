"""What the database says of its own schema."""

from sqlalchemy import CheckConstraint, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base


class SchemaFloor(Base):
    """One row, written by migrations (`database/floor.py`)."""

    __tablename__ = "schema_floor"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    oldest_code: Mapped[str]
    """A relay runs on this schema if it knows this revision, whatever newer ones it does not."""
