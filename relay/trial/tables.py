"""Callbacks of trials, which have no task to be kept with."""

from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, stamped


class TrialCallback(Base):
    """One callback of a trial, without its body; gone with the trial's report."""

    __tablename__ = "trial_callbacks"

    id: Mapped[identity]
    injected_id: Mapped[str] = mapped_column(index=True)
    received_at: Mapped[stamped]
    source: Mapped[str]
    """The address it came from."""
    signature: Mapped[str]
    """A word of `trial/callbacks.py`'s `Signature`."""
    status: Mapped[str | None]
    """Kling's own word."""
    fields: Mapped[list[Any]] = mapped_column(JSONB)
    """Paths of the fields in its body."""
