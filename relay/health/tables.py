"""What was learned of channels, and when it changed."""

from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class ChannelCondition(Base):
    """The last thing that kept a channel, or a part of it, from new tasks; it may be over.

    Channels that nothing ever kept from anything have none.
    """

    __tablename__ = "channel_conditions"
    __table_args__ = (
        CheckConstraint("state IN ('ok', 'cooling', 'parked', 'refused')", name="state_known"),
        CheckConstraint("room >= 0", name="room_not_negative"),
    )

    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"), primary_key=True)
    pack: Mapped[str] = mapped_column(primary_key=True)
    """Whose units; '' is of all."""
    model: Mapped[str] = mapped_column(primary_key=True)
    """In lower case; '' is of all."""
    state: Mapped[str]
    code: Mapped[int | None] = mapped_column(Integer)
    """Kling's; null where there was no answer of Kling's."""
    reason: Mapped[str]
    """For operators alone."""
    since: Mapped[moment]
    """When it came to this state."""
    failed_at: Mapped[moment]
    """When `reason` was last seen."""
    try_at: Mapped[moment]
    """When somebody may see whether it is over."""
    is_probed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a free question sees that; else a tenant's create does."""
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often that showed that it is not; each pause is longer."""
    room: Mapped[int | None] = mapped_column(Integer)
    """How many slots there are by what Kling refused (1303); null while none was."""


class ChannelPack(Base):
    """A resource pack of a channel's account, as Kling told it last."""

    __tablename__ = "channel_packs"

    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"), primary_key=True)
    pack_id: Mapped[str] = mapped_column(primary_key=True)
    """Kling's."""
    name: Mapped[str]
    kind: Mapped[str]
    """video, image or try-on, by its name (`kling/packs.py`)."""
    total: Mapped[Decimal] = mapped_column(Numeric)
    remaining: Mapped[Decimal] = mapped_column(Numeric)
    """In units; Kling's figure is up to twelve hours old."""
    effective_at: Mapped[moment | None]
    expires_at: Mapped[moment | None]
    status: Mapped[str]
    read_at: Mapped[stamped]


class ChannelEvent(Base):
    """One change of a condition's state."""

    __tablename__ = "channel_events"
    __table_args__ = (Index(None, "channel_id", "id"), Index(None, "created_at"))

    id: Mapped[identity]
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    pack: Mapped[str]
    model: Mapped[str]
    before: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[stamped]
