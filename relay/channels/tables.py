"""Channels: one row per Kling account; and what is paid for what they sell."""

from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class Channel(Base):
    __tablename__ = "channels"
    __table_args__ = (
        CheckConstraint("(access_key IS NULL) = (secret_key_sealed IS NULL)", name="pair_is_whole"),
        CheckConstraint(
            "access_key IS NOT NULL OR api_key_sealed IS NOT NULL OR removed_at IS NOT NULL",
            name="has_a_credential",
        ),
        CheckConstraint("removed_at IS NULL OR NOT enabled", name="removed_is_disabled"),
        CheckConstraint("weight > 0", name="weight_positive"),
    )

    id: Mapped[identity]
    name: Mapped[str] = mapped_column(unique=True)
    base_url: Mapped[str]
    access_key: Mapped[str | None]
    secret_key_sealed: Mapped[str | None]
    api_key_sealed: Mapped[str | None]
    webhook_secret_sealed: Mapped[str | None]
    """Kling's own Standard Webhooks secret of this account, if the operator created one there."""
    proxy: Mapped[str | None]
    """Where its calls go out, as `kling/proxy.py` spells it: without the password."""
    proxy_password_sealed: Mapped[str | None]
    ca_pem: Mapped[str | None]
    """Certificates that are trusted for it in place of the system's."""
    connect_timeout_s: Mapped[float | None] = mapped_column(Double)
    timeout_s: Mapped[float | None] = mapped_column(Double)
    """Of a whole call; both null where it has none of its own."""
    priority: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Higher is tried first."""
    weight: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    """Share among enabled channels of one priority."""
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    is_draining: Mapped[bool] = mapped_column(server_default=text("false"))
    """No new tasks; once the last one has ended, it is disabled."""
    groups: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Whom it serves (`groups.py`)."""
    models: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Which it takes, in lower case; none is all."""
    room: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Slots by the operator's word: of a `pack`, or of one model as `pack/model`."""
    is_sandbox: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether what stands behind the base URL is our sandbox, which does as the documents say."""
    confirmed_lookups: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Ways of `kling/endpoint.py`'s `Lookup` by which a trial found its task on this account."""
    trial: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What the last `relay channel try` saw (`trial/report.py`): no secret, no prompt."""
    trial_at: Mapped[moment | None]
    callback_at: Mapped[moment | None]
    """When a callback of this account last reached us; tells whether callbacks can be relied on."""
    units_asked_at: Mapped[moment | None]
    """When Kling was last asked what packs there are, or is asked now."""
    created_at: Mapped[stamped]
    removed_at: Mapped[moment | None]
    """Its tasks name it for ever, so the row stays, under a name that leaves the old one free.

    Its keys are erased a day later: a submit that had chosen it just before can still be asked for.
    """


class ChannelCost(Base):
    """What one unit of an account costs us from a moment on. A trigger refuses any change.

    A row that begins when another one did is in place of it from when it was entered on, so that
    what was known at any moment can be told.
    """

    __tablename__ = "channel_costs"
    __table_args__ = (
        CheckConstraint("unit IN ('video', 'image', 'cash')", name="unit_known"),
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("rate > 0 AND rate_per > 0", name="rate_positive"),
        Index("channel_costs_in_force", "channel_id", "unit", "valid_from", "id"),
    )

    id: Mapped[identity]
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    unit: Mapped[str]
    """Of the video pack, of the image pack, or one of the money that Kling takes."""
    price: Mapped[Decimal] = mapped_column(Numeric(24, 12))
    currency: Mapped[str]
    """It was paid in."""
    rate: Mapped[Decimal] = mapped_column(Numeric(24, 12))
    """So much of `currency` is worth `rate_per` of the books'."""
    rate_per: Mapped[Decimal] = mapped_column(Numeric(24, 12))
    valid_from: Mapped[moment]
    created_at: Mapped[stamped]
    """When it was entered; later than `valid_from` if that was done late."""
    actor: Mapped[str]
    """Who entered it, as `desk/actor.py` spells."""
