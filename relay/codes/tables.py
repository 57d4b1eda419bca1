"""Batches of redeem codes, and the codes."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, micros, moment, stamped


class CodeBatch(Base):
    """Codes that were made together, or moved here from one installation."""

    __tablename__ = "code_batches"
    __table_args__ = (
        CheckConstraint("topup_kind IN ('paid', 'bonus', 'correction')", name="topup_kind_known"),
    )

    id: Mapped[identity]
    name: Mapped[str] = mapped_column(unique=True)
    topup_kind: Mapped[str]
    """Of the top-ups that its codes become."""
    source: Mapped[str | None] = mapped_column(unique=True)
    """The installation that they were made by; null is this one."""
    created_at: Mapped[stamped]


class Code(Base):
    """One code: free until it is redeemed, revoked or expired."""

    __tablename__ = "codes"
    __table_args__ = (
        CheckConstraint("amount_micros > 0", name="adds_something"),
        CheckConstraint(
            "(redeemed_at IS NULL) = (entry_id IS NULL)"
            " AND (redeemed_at IS NULL) = (tenant_id IS NULL)",
            name="redeemed_is_whole",
        ),
        CheckConstraint("redeemed_at IS NULL OR revoked_at IS NULL", name="ends_once"),
        Index(None, "batch_id", "id"),
    )

    id: Mapped[identity]
    batch_id: Mapped[int] = mapped_column(ForeignKey("code_batches.id"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of it as `spelling.py` reads it: it has 125 random bits."""
    hint: Mapped[str]
    """Its last four characters, for people to tell codes apart."""
    amount_micros: Mapped[micros]
    expires_at: Mapped[moment | None]
    revoked_at: Mapped[moment | None]
    redeemed_at: Mapped[moment | None]
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
    """Who redeemed it."""
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"), unique=True)
    """The top-up that it became."""
