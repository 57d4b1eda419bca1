"""Where tenants are told of their business, and what."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from relay.database.base import Base, identity, micros, moment, stamped

WEBHOOK_ID = "('msg_'::text || replace((gen_random_uuid())::text, '-'::text, ''::text))"
"""Spelled as Postgres gives it back."""


class PlaceKind(StrEnum):
    """By which means a place is told."""

    WEBHOOK = "webhook"
    """A signed POST, as callbacks are signed."""
    MAIL = "mail"
    """By the relay's own mail server."""
    FEISHU = "feishu"
    """A group's bot, also of Lark."""
    DINGTALK = "dingtalk"
    WECOM = "wecom"


class Lang(StrEnum):
    """In which language."""

    ZH = "zh"
    EN = "en"


class NoticePlace(Base):
    """One place of a tenant that notices go to."""

    __tablename__ = "notice_places"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('webhook', 'mail', 'feishu', 'dingtalk', 'wecom')", name="kind_known"
        ),
        CheckConstraint("lang IN ('zh', 'en')", name="lang_known"),
        CheckConstraint("low_micros >= 0", name="low_not_negative"),
        Index(None, "tenant_id"),
    )

    id: Mapped[identity]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[str]
    shown: Mapped[str]
    """What of its address may be seen."""
    url_sealed: Mapped[str]
    """The whole of it; of mail, the address."""
    lang: Mapped[str]
    events: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """That it is told of; null is all."""
    low_micros: Mapped[micros | None]
    """With less left, quota is low; null is what the last 24 hours cost."""
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id"))
    """The tenant's key that added it, with which it ends."""
    busy_until: Mapped[moment] = mapped_column(server_default=text("now()"))
    """Until then nothing more is sent to it: something is under way, or just was."""
    created_at: Mapped[stamped]


class NoticeState(StrEnum):
    """Where one notice stands."""

    DUE = "due"
    """To be sent at `next_attempt_at`, or being sent."""
    SENT = "sent"
    DEAD = "dead"
    """Given up, with a reason."""
    KNOWN = "known"
    """Not told: it was so before the place was there, or something graver is told in its stead."""


class Notice(Base):
    """One thing, told to one place."""

    __tablename__ = "notices"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'sent', 'dead', 'known')", name="state_known"),
        CheckConstraint("lease IS NULL OR state = 'due'", name="leased_only_if_due"),
        UniqueConstraint("place_id", "event", "key", name="notices_told_once"),
        Index(
            "notices_due",
            *("place_id", "next_attempt_at"),
            postgresql_where="state = 'due'",
        ),
        Index("notices_dead", "ended_at", postgresql_where="state = 'dead'"),
    )

    id: Mapped[identity]
    webhook_id: Mapped[str] = mapped_column(server_default=text(WEBHOOK_ID))
    """The same at each attempt."""
    place_id: Mapped[int] = mapped_column(ForeignKey("notice_places.id", ondelete="CASCADE"))
    event: Mapped[str]
    key: Mapped[str]
    """Of that event: what it is about, such as a limit, its window and the step of it."""
    data: Mapped[str]
    """A JSON object, as webhooks have it."""
    state: Mapped[str] = mapped_column(server_default=text("'due'"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[moment] = mapped_column(server_default=text("now()"))
    """While it is leased: when the lease ends."""
    lease: Mapped[Any | None] = mapped_column(Uuid)
    ended_at: Mapped[moment | None]
    replayed_at: Mapped[moment | None]
    """When it was last made due again: its 72 hours begin there."""
    error: Mapped[str | None]
    """Why the last attempt did not arrive."""
    created_at: Mapped[stamped]
