"""Trials, and the callbacks of them, which have no task to be kept with."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, micros, moment, stamped


class KeptTrial(Base):
    """A trial from its beginning on: what it may cost is written before Kling is asked."""

    __tablename__ = "trials"
    __table_args__ = (
        CheckConstraint(
            "(ended_at IS NULL) = (failure IS NULL AND report IS NULL)", name="end_is_told"
        ),
        Index(None, "channel_id", "id"),
        Index(
            "trials_one_at_a_time",
            "channel_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[identity]
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    actor: Mapped[str]
    """Who began it, as `desk/actor.py` spells."""
    endpoint: Mapped[str]
    model: Mapped[str]
    cost_micros: Mapped[micros]
    """By Kling's list."""
    most_micros: Mapped[micros]
    """What it may cost."""
    injected_id: Mapped[str]
    """The external id that its task has at Kling."""
    kling_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Kling's own ids of what it made, by which its bill names it: two, if Kling took it twice."""
    begun_at: Mapped[stamped]
    seen_at: Mapped[stamped]
    """When whoever makes it last said that it is at it."""
    step: Mapped[str] = mapped_column(server_default="")
    """What it was at then."""
    ended_at: Mapped[moment | None]
    failure: Mapped[str | None]
    """Why there is no report."""
    report: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What it saw (`report.py`); the last one's stands with its channel too."""


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
