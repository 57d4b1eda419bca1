"""Accounts, entries, and the books' currency."""

from decimal import Decimal
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, micros, moment, stamped


class EntryKind(StrEnum):
    """Why an account's quota changed."""

    TOPUP = "topup"
    """Quota was added, as `TopupKind` says. Its reference is unique per account, so a repeat adds
    nothing."""
    ADJUST = "adjust"
    """The operator corrected the quota, up or down, with a reason."""
    CHARGE = "charge"
    """A task was settled. At most one per task, by constraint."""
    REFUND = "refund"
    """The operator gave a task's charge back, or a part of it: all of them are at most the charge,
    by a constraint of the task."""
    CORRECTION = "correction"
    """Kling's own reply differed from the callback that a task was charged by: the rest of the
    charge, or what was too much. At most one per task, by constraint."""


class TopupKind(StrEnum):
    """What quota was added for."""

    PAID = "paid"
    """It was sold. So are top-ups that name no kind, which is what a top-up was before."""
    BONUS = "bonus"
    """It was given."""
    CORRECTION = "correction"
    """An earlier top-up was of another amount: more, or below zero less."""


class Account(Base):
    """What pays. Only statements of `ledger` and `tasks` write here, and none deletes a row.

    A trigger refuses that, and a change of `id`: tasks name their account without a foreign key.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("held_micros >= 0", name="held_not_negative"),
        CheckConstraint("open_holds >= 0", name="open_holds_not_negative"),
        CheckConstraint("credit_micros >= 0", name="credit_not_negative"),
        {"postgresql_with": {"fillfactor": 50}},  # the hottest rows: updated in place on their page
    )

    id: Mapped[identity]
    quota_micros: Mapped[micros] = mapped_column(server_default=text("0"))
    """Below zero it is what the account owes. By a submit no further than its credit goes."""
    credit_micros: Mapped[micros] = mapped_column(server_default=text("0"))
    """How far below zero submits may take the quota. No entry: it is not money, and is not owed."""
    held_micros: Mapped[micros] = mapped_column(server_default=text("0"))
    open_holds: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    tasks_max: Mapped[int | None] = mapped_column(Integer)
    """Open holds at most at a time; null is no limit."""
    limits_set: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How many limits were ever set of who draws on it; whoever knows another number, reads them
    anew."""
    unheard_until: Mapped[moment | None]
    """Until then a submit may be the retry of one whose answer nobody heard."""
    last_entry_at: Mapped[moment | None]
    """When its newest entry was made: none that is written later says an earlier moment."""
    closed_until: Mapped[moment | None]
    """Where its last closed month ends: no entry is written any more that says an earlier moment.
    """

    @property
    def available_micros(self) -> int:
        """What its submits may hold, as LOCK_ACCOUNTS has it."""
        return self.quota_micros + self.credit_micros - self.held_micros

    @property
    def owed_micros(self) -> int:
        """What it owes."""
        return max(-self.quota_micros, 0)


class Entry(Base):
    """One signed change of a quota. A trigger refuses UPDATE, DELETE and TRUNCATE."""

    __tablename__ = "entries"
    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'topup' THEN (amount_micros > 0"
            " OR amount_micros < 0 AND topup_kind IS NOT DISTINCT FROM 'correction')"
            " AND reference IS NOT NULL"
            " WHEN 'adjust' THEN amount_micros <> 0 AND reason IS NOT NULL"
            " WHEN 'charge' THEN amount_micros <= 0 AND task_id IS NOT NULL"
            " WHEN 'refund' THEN amount_micros >= 0 AND task_id IS NOT NULL"
            " AND reason IS NOT NULL"
            " WHEN 'correction' THEN task_id IS NOT NULL ELSE false END",
            name="kind_fits",
        ),
        CheckConstraint(
            "topup_kind IS NULL"
            " OR kind = 'topup' AND topup_kind IN ('paid', 'bonus', 'correction')",
            name="topup_kind_known",
        ),
        Index("entries_one_charge", "task_id", unique=True, postgresql_where="kind = 'charge'"),
        Index(
            "entries_one_correction",
            "task_id",
            unique=True,
            postgresql_where="kind = 'correction'",
        ),
        Index(
            "entries_later_of_task",
            "task_id",
            postgresql_where="task_id IS NOT NULL AND kind <> 'charge'",
        ),
        Index(
            "entries_one_topup",
            *("account_id", "reference"),
            unique=True,
            postgresql_where="kind = 'topup'",
        ),
        Index(  # with what sums need, so that an account's history is summed up by it alone
            "entries_of_account",
            *("account_id", "id"),
            postgresql_include=["created_at", "amount_micros"],
        ),
        Index(  # few: with them and the quotas it is known what all charges come to
            "entries_but_charges",
            "kind",
            postgresql_include=["amount_micros"],
            postgresql_where="kind <> 'charge'",
        ),
        Index("entries_by_time", "created_at", postgresql_using="brin"),  # costs an insert nothing
    )

    id: Mapped[identity]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    kind: Mapped[str]
    amount_micros: Mapped[micros]
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    reference: Mapped[str | None]
    reason: Mapped[str | None]
    actor: Mapped[str] = mapped_column(server_default=text("'relay'"))
    """Who entered it, as `desk/actor.py` spells: `relay` is the relay itself."""
    created_at: Mapped[stamped]
    """Never before the entries of its account that have smaller ids."""
    topup_kind: Mapped[str | None]
    """Of top-ups; null of those made before there were kinds."""
    quota_after_micros: Mapped[micros | None]
    """The account's quota with it, stored under the account's lock; null of entries made before it
    was stored, of which `read.read_quotas_after` sums it up."""


class ClosedMonth(Base):
    """What an account's month came to when it was closed. A trigger refuses any change.

    Months of an account are closed in order, and each begins where the one before it ended.
    """

    __tablename__ = "closed_months"
    __table_args__ = (CheckConstraint("start_at < until_at", name="begins_before_it_ends"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    """Such as 2026-11."""
    start_at: Mapped[moment]
    until_at: Mapped[moment]
    """The first moment behind it, by the time zone of then."""
    opening_micros: Mapped[micros]
    paid_micros: Mapped[micros]
    bonus_micros: Mapped[micros]
    topup_correction_micros: Mapped[micros]
    charge_micros: Mapped[micros]
    refund_micros: Mapped[micros]
    correction_micros: Mapped[micros]
    adjust_micros: Mapped[micros]
    closing_micros: Mapped[micros]
    entries: Mapped[int]
    entries_sha256: Mapped[str]
    """Over all that its entries say (`figures.py`)."""
    closed_at: Mapped[stamped]
    actor: Mapped[str]
    """Who closed it, as `desk/actor.py` spells."""


class StorageCharge(Base):
    """What a tenant's files of a month were charged: one row, and its entry."""

    __tablename__ = "storage_charges"
    __table_args__ = (
        CheckConstraint("amount_micros >= 0", name="is_a_charge"),
        Index(None, "account_id"),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    """Such as 2026-11: in which they were kept. It is charged in the next one."""
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    gb_months: Mapped[Decimal] = mapped_column(Numeric(20, 6))
    amount_micros: Mapped[micros]
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"), unique=True)
    """Its adjustment; null of nothing."""
    created_at: Mapped[stamped]


class StorageRefund(Base):
    """An adjustment that gives back of what a month of files was charged."""

    __tablename__ = "storage_refunds"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "month"], ["storage_charges.tenant_id", "storage_charges.month"]
        ),
        Index(None, "tenant_id", "month"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    tenant_id: Mapped[int]
    month: Mapped[str]


class Audit(Base):
    """What one recomputation of the books found."""

    __tablename__ = "audits"
    __table_args__ = (Index(None, "read_at"),)

    id: Mapped[identity]
    read_at: Mapped[moment]
    """When its snapshot was taken: of what came later it says nothing."""
    ended_at: Mapped[stamped]
    differences: Mapped[int]
    """Rows that break a rule; 0 is right."""
    drift_micros: Mapped[micros]
    """What they are off by, of those that are about money."""
    accounts: Mapped[int]
    tasks: Mapped[int]
    entries: Mapped[int]
    actor: Mapped[str]
    """Who had it made, as `desk/actor.py` spells: `relay` is the relay itself."""


class Books(Base):
    """One row, written with the first entry: the currency all sums are in, for ever."""

    __tablename__ = "books"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    currency: Mapped[str]
    created_at: Mapped[stamped]
