"""Invoices, what they cover, for whom they are, and their files."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, micros, moment, stamped

FILE_BYTES_MAX = 5 * 1024 * 1024
PROFILE_FIELDS = ("kind", "title", "tax_id", "address", "phone", "bank", "bank_account", "mail")
"""What an invoice says of its buyer, as it was when it was requested."""


class InvoiceKind(StrEnum):
    """Which paper is wanted."""

    SPECIAL = "special"
    """A special VAT fapiao, by which its buyer deducts input tax."""
    GENERAL = "general"
    """A general VAT fapiao."""
    PLAIN = "plain"
    """An invoice outside of China."""


class Basis(StrEnum):
    """What an account is invoiced by."""

    TOPUPS = "topups"
    """What it paid, with what corrected that."""
    STATEMENTS = "statements"
    """What it was charged in a closed month, less what was given back in it."""


class InvoiceState(StrEnum):
    """Where an invoice stands."""

    REQUESTED = "requested"
    """It is to be made, by whoever makes invoices."""
    ISSUED = "issued"
    """It was made, and has a number."""
    REJECTED = "rejected"
    """It is not made; what it covered is free again."""
    REVERSED = "reversed"
    """It was made and taken back; what it covered is free again."""


class InvoiceProfile(Base):
    """What an account's invoices say of their buyer."""

    __tablename__ = "invoice_profiles"
    __table_args__ = (
        CheckConstraint("kind IN ('special', 'general', 'plain')", name="kind_known"),
        CheckConstraint("basis IN ('topups', 'statements')", name="basis_known"),
        UniqueConstraint("account_id", "basis"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    basis: Mapped[str]
    """Changed only while no live invoice is of the other one, by the invoices' foreign key."""
    kind: Mapped[str]
    title: Mapped[str]
    """The buyer's name, as it stands on the invoice."""
    tax_id: Mapped[str | None]
    address: Mapped[str | None]
    phone: Mapped[str | None]
    bank: Mapped[str | None]
    bank_account: Mapped[str | None]
    mail: Mapped[str | None]
    """Where it is sent."""
    changed_at: Mapped[moment] = mapped_column(server_default=text("now()"))


class Invoice(Base):
    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint(
            "state IN ('requested', 'issued', 'rejected', 'reversed')", name="state_known"
        ),
        CheckConstraint("is_live = (state IN ('requested', 'issued'))", name="live_by_state"),
        CheckConstraint("(live_basis IS NOT NULL) = is_live", name="live_has_basis"),
        CheckConstraint("(basis = 'statements') = (month IS NOT NULL)", name="month_by_basis"),
        CheckConstraint("live_basis = basis", name="one_basis"),
        CheckConstraint(
            "(number IS NOT NULL) = (state IN ('issued', 'reversed'))", name="number_by_state"
        ),
        CheckConstraint(
            "(reason IS NOT NULL) = (state IN ('rejected', 'reversed'))", name="reason_by_state"
        ),
        CheckConstraint("amount_micros > 0", name="amount_positive"),
        ForeignKeyConstraint(
            ["account_id", "live_basis"],
            ["invoice_profiles.account_id", "invoice_profiles.basis"],
            name="invoices_live_basis_fkey",
        ),
        UniqueConstraint("id", "is_live"),
        UniqueConstraint("number"),
        Index(None, "account_id", "id"),
    )

    id: Mapped[identity]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[str]
    is_live: Mapped[bool]
    basis: Mapped[str]
    live_basis: Mapped[str | None]
    month: Mapped[str | None]
    """Of a statement: such as 2026-11."""
    amount_micros: Mapped[micros]
    currency: Mapped[str]
    profile: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The account's, as it was when it was requested."""
    requested_at: Mapped[stamped]
    actor: Mapped[str]
    """Who requested it, as `desk/actor.py` spells."""
    number: Mapped[str | None]
    issued_at: Mapped[moment | None]
    ended_at: Mapped[moment | None]
    """When it was rejected or reversed."""
    reason: Mapped[str | None]


class InvoiceItem(Base):
    """One thing that an invoice covers: an entry, or a closed month."""

    __tablename__ = "invoice_items"
    __table_args__ = (
        CheckConstraint("(entry_id IS NULL) <> (month IS NULL)", name="one_thing"),
        # Live or not by the invoice's own word, which the database passes on.
        ForeignKeyConstraint(
            ["invoice_id", "is_live"],
            ["invoices.id", "invoices.is_live"],
            name="invoice_items_invoice_fkey",
            onupdate="CASCADE",
        ),
        ForeignKeyConstraint(
            ["account_id", "month"],
            ["closed_months.account_id", "closed_months.month"],
            name="invoice_items_month_fkey",
        ),
        Index("invoice_items_one_entry", "entry_id", unique=True, postgresql_where="is_live"),
        Index(
            "invoice_items_one_month",
            *("account_id", "month"),
            unique=True,
            postgresql_where="is_live",
        ),
        Index(None, "invoice_id"),
    )

    id: Mapped[identity]
    invoice_id: Mapped[int]
    is_live: Mapped[bool]
    account_id: Mapped[int]
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"))
    month: Mapped[str | None]
    amount_micros: Mapped[micros]
    """Of a correction below zero, as its entry has it."""


class InvoiceFile(Base):
    """An invoice's file, in the database so that every backup has it."""

    __tablename__ = "invoice_files"
    __table_args__ = (
        CheckConstraint(f"octet_length(bytes) BETWEEN 1 AND {FILE_BYTES_MAX}", name="size"),
    )

    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[bytes] = mapped_column(LargeBinary)
    kept_at: Mapped[stamped]
