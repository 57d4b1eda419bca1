"""Assets, and their content."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class AssetState(StrEnum):
    """Where an asset stands."""

    DUE = "due"
    """To be copied: not tried yet, being copied, or tried in vain."""
    STORED = "stored"
    """Its content is in the store."""
    LOST = "lost"
    """Kling has it no more, or it is too large: nobody tries again."""
    DELETED = "deleted"
    """It was kept for its time, or somebody deleted it; the row stays, so that nobody copies it
    again."""


class Source(StrEnum):
    """Where an asset comes from."""

    RESULT = "result"
    """Kling made it, for a task."""
    UPLOAD = "upload"
    """Its tenant sent it."""


class Asset(Base):
    __tablename__ = "assets"
    __table_args__ = (
        CheckConstraint("state IN ('due', 'stored', 'lost', 'deleted')", name="state_known"),
        CheckConstraint("source IN ('result', 'upload')", name="source_known"),
        CheckConstraint(
            "(source = 'result') = (task_id IS NOT NULL AND source_url IS NOT NULL)",
            name="result_is_a_tasks",
        ),
        CheckConstraint("(state = 'stored') = (object_id IS NOT NULL)", name="stored_iff_content"),
        CheckConstraint(
            "state <> 'stored'"
            " OR num_nulls(sha256, bytes, content_type, stored_at, kept_until) = 0",
            name="stored_is_whole",
        ),
        CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('lost', 'deleted'))", name="end_is_told"
        ),
        Index(  # a URL's query has signatures, which Kling makes anew
            "assets_of_task_nth",
            *("task_id", text("split_part(source_url, '?', 1)"), "nth"),
            unique=True,
            postgresql_where="task_id IS NOT NULL",
        ),
        Index(
            "assets_of_tenant_due",
            *("tenant_id", "next_attempt_at"),
            postgresql_where="state = 'due'",
        ),
        Index("assets_of_tenant_stored", "tenant_id", postgresql_where="state = 'stored'"),
        Index(
            "assets_uploaded",
            "tenant_id",
            postgresql_where="source = 'upload' AND state = 'stored'",
        ),
        Index("assets_kept", "kept_until", postgresql_where="state = 'stored'"),
        Index(None, "object_id", postgresql_where="object_id IS NOT NULL"),
        Index(None, "tenant_id", "id"),
    )

    id: Mapped[identity]
    public_id: Mapped[UUID] = mapped_column(
        Uuid, server_default=text("gen_random_uuid()"), unique=True
    )
    """What it is called outside."""
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    source: Mapped[str]
    source_url: Mapped[str | None]
    """Kling's."""
    nth: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Which of its task's files it is that differ in their query alone, in the result's order."""
    state: Mapped[str] = mapped_column(server_default=text("'due'"))
    next_attempt_at: Mapped[stamped]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lease: Mapped[UUID | None] = mapped_column(Uuid)
    """Of the worker that copies it, until `next_attempt_at`."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why the last try came to nothing, or why it was deleted."""
    object_id: Mapped[int | None] = mapped_column(ForeignKey("asset_objects.id"))
    sha256: Mapped[str | None]
    bytes: Mapped[int | None]
    content_type: Mapped[str | None]
    """Told by its content, not by who sent it."""
    created_at: Mapped[stamped]
    stored_at: Mapped[moment | None]
    kept_until: Mapped[moment | None]
    ended_at: Mapped[moment | None]
    """When it was lost or deleted."""


class AssetObject(Base):
    """One object in the store: content of a tenant's, once however many assets have it."""

    __tablename__ = "asset_objects"
    __table_args__ = (
        Index(
            "asset_objects_content",
            *("tenant_id", "sha256"),
            unique=True,
            postgresql_where="doomed_at IS NULL",
        ),
        Index("asset_objects_unused", "unused_after", postgresql_where="unused_after IS NOT NULL"),
    )

    id: Mapped[identity]
    """Ends its key in the store, so that one that is put anew is not taken away by the removal of
    the one before, however late that arrives."""
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    sha256: Mapped[str]
    """In hex."""
    bytes: Mapped[int]
    unused_after: Mapped[moment | None]
    """From when on it may be that no asset has it; null while one is known to."""
    stored_at: Mapped[moment | None]
    """Null before it is known to be in the store."""
    doomed_at: Mapped[moment | None]
    """No asset has it, nor will: it is to be taken out of the store, and the row then goes."""


class AssetDay(Base):
    """The most that was seen in the store of a tenant on a day of the operator's."""

    __tablename__ = "asset_days"
    __table_args__ = (
        CheckConstraint("bytes >= 0", name="bytes_not_negative"),
        Index(None, "day"),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    bytes: Mapped[int]
    gb_month_micros: Mapped[int | None]
    """What a GB-month cost when the day was first looked at; null is nothing."""
