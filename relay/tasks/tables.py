"""Tasks, what happened to them, and this deployment's mark on Kling's accounts."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    cast,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Text, Uuid

from relay.database.base import Base, identity, micros, moment, stamped
from relay.database.xid8 import Xid8


class TaskState(StrEnum):
    """Where a task stands; states only move forward (docs/states.md), but for the queue."""

    QUEUED = "queued"
    """Held, and waiting for room; its tenant has an id of ours and sees `submitted`."""
    PENDING = "pending"
    """Held, and not sent or being sent."""
    UNKNOWN = "unknown"
    """Sent without a verdict: a video may exist, so the hold stays until Kling tells."""
    SUBMITTED = "submitted"
    """Kling has it; `kling_id` is known, unless a callback without one came first."""
    PROCESSING = "processing"
    """Kling works on it."""
    SUCCEED = "succeed"
    """Kling ended it in success: charged once."""
    FAILED = "failed"
    """Kling ended it without a result: the hold was given back."""
    REFUSED = "refused"
    """Kling or we said no: the hold was given back. Never shown to the tenant."""


class Task(Base):
    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'pending', 'unknown', 'submitted', 'processing', 'succeed',"
            " 'failed', 'refused')",
            name="state_known",
        ),
        CheckConstraint(
            "(hold_ended_at IS NULL) ="
            " (state IN ('queued', 'pending', 'unknown', 'submitted', 'processing'))",
            name="open_hold_iff_live",
        ),
        CheckConstraint(
            "(charged_micros IS NOT NULL) = (state = 'succeed')", name="charged_iff_succeed"
        ),
        CheckConstraint(
            "charged_micros BETWEEN 0 AND hold_micros", name="charged_at_most_the_hold"
        ),
        CheckConstraint("hold_micros >= 0", name="hold_not_negative"),
        CheckConstraint(
            "refunded_micros BETWEEN 0 AND coalesce(charged_micros, 0)",
            name="refunded_at_most_the_charge",
        ),
        Index(  # by Kling's id first, so that a tenant's GET, which names no channel, has it too
            "tasks_kling_key",
            *("kling_id", "channel_id"),
            unique=True,
            postgresql_where="kling_id IS NOT NULL",
        ),
        Index(
            "tasks_tenant_external_id",
            *("tenant_id", "tenant_external_id"),
            unique=True,
            postgresql_where="state <> 'refused' AND tenant_external_id IS NOT NULL",
        ),
        Index(  # few: for whoever looks for what was refused
            "tasks_refused_external_id",
            "tenant_external_id",
            postgresql_where="state = 'refused' AND tenant_external_id IS NOT NULL",
        ),
        Index(
            "tasks_create_key",
            *("token_id", "create_key"),
            unique=True,
            postgresql_where="create_key IS NOT NULL AND state <> 'refused'",
        ),
        Index(  # of those that were once unheard: a join is found again after it was made
            "tasks_unheard",
            *("token_id", "fingerprint", "created_at"),
            postgresql_where="fingerprint IS NOT NULL AND create_key IS NULL",
        ),
        Index(  # of what has an id that its tenant knows
            "tasks_listed",
            *("tenant_id", "endpoint", "id"),
            postgresql_where="(kling_id IS NOT NULL OR public_id IS NOT NULL)"
            " AND state <> 'refused'",
        ),
        Index(
            "tasks_public_id", "public_id", unique=True, postgresql_where="public_id IS NOT NULL"
        ),
        Index("tasks_due", "next_look_at", postgresql_where="next_look_at IS NOT NULL"),
        Index(
            "tasks_open",
            *("account_id", "tenant_id", "state", "created_at"),
            postgresql_where="hold_ended_at IS NULL",
        ),
        Index("tasks_flagged", "id", postgresql_where="is_flagged"),
        Index(None, "request_id", unique=True),
        Index("tasks_sealed_callback", "hold_ended_at", postgresql_where="callback_url LIKE '% %'"),
        Index(
            "tasks_kling_request",
            "kling_request_id",
            postgresql_where="kling_request_id IS NOT NULL",
        ),
        {"postgresql_with": {"fillfactor": 70}},  # a row grows and is updated about five times
    )

    id: Mapped[identity]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    account_id: Mapped[int]
    """What the hold was taken from and is settled with, whatever its tenant draws on later.

    No foreign key: HOLD has the account locked when it writes this, and a trigger keeps accounts.
    The key would lock that row, the hottest of all, a second time (7 % of HOLD; docs/speed.md).
    """
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    channels_tried: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """Earlier channels, which refused it for reasons of the account or were never reached."""
    endpoint: Mapped[str]
    """Name of its row in `kling/endpoints.py`."""
    state: Mapped[str]
    kling_id: Mapped[str | None]
    """Kling's id; null until Kling accepted it."""
    public_id: Mapped[str | None]
    """What its tenant knows it by for ever, if it was ever queued; null where that is Kling's id.

    Not Kling's id there as well: each submit would write one more index, and what code of the last
    release records, while an upgrade is rolled out, would not be found.
    """
    injected_id: Mapped[str] = mapped_column(unique=True)
    """The `external_task_id` that we injected: deployment prefix, our id, 64 random bits."""
    tenant_external_id: Mapped[str | None]
    callback_url: Mapped[str | None]
    """As `deliveries/kept_url.py` spells it: what may be a credential is sealed."""
    request_id: Mapped[str]
    """Ours, one per submit: the `x-request-id` that the tenant saw."""
    caller_address: Mapped[str | None]
    """Whose the create was, as the request's line has it; blanked after a while."""
    create_key: Mapped[str | None]
    """The `Idempotency-Key` of its create, unique to a token while its task is not `refused`."""
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the create's path and bytes: with a key from the start, else once nobody awaits it."""
    unheard_at: Mapped[moment | None]
    """Since when nobody awaits the create's answer; null while somebody does, or was told it."""
    joined_by: Mapped[str | None]
    """The `request_id` of the retry that is to have the create's answer, in its own's place."""
    kling_request_id: Mapped[str | None]

    model: Mapped[str | None]
    """What was asked for, as the tenant spelled it; Kling's default where it named none."""
    pack: Mapped[str] = mapped_column(server_default=text("'video'"))
    """Whose units were held: video or image."""
    slots: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    """Of its account's, while it is live: an image task takes one for each image, a call none."""
    quote: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What it may cost, frozen with the price row that made it (`pricing/quote.py`)."""
    hold_micros: Mapped[micros]
    """What was held at submit; the most that is ever charged."""
    hold_ended_at: Mapped[moment | None]
    charged_micros: Mapped[micros | None]
    corrected_micros: Mapped[micros | None]
    """What a correction gave back of the charge, or below zero took more: Kling's own reply
    differed from the callback that had ended it. Null where none was entered."""
    refunded_micros: Mapped[micros] = mapped_column(server_default=text("0"))
    """What the operator gave back of the charge, in one refund or several; what is left is what the
    tenant paid, and what all of its views show."""
    deduction: Mapped[str | None]
    """Kling's own cost fields, raw JSON as sent."""
    cost_units: Mapped[Decimal | None] = mapped_column(Numeric)
    """What Kling took for it in units of a pack; null where it did not say, or named several."""
    cost_pack: Mapped[str | None]
    """Which pack's, in Kling's word; null where none is named: then it is what was held, `pack`."""
    cost_cash: Mapped[Decimal | None] = mapped_column(Numeric)
    """What Kling took in money, of accounts without packs or beside them."""
    cost_currency: Mapped[str | None]

    created_at: Mapped[stamped]
    submit_deadline_at: Mapped[moment]
    """Until then the process that holds the submit owns it; afterwards it is looked up."""
    submitted_at: Mapped[moment | None]
    ended_at: Mapped[moment | None]
    ended_via: Mapped[str | None]
    """Who told us: callback, query, look, submit or operator."""

    reply: Mapped[str | None]
    """The last task object that Kling sent (`data` of a reply, or a callback's body), JSON.

    Raw, but what a query would have and a create's reply or a callback has not is there as well.
    """
    kling_created_at: Mapped[moment | None]
    """When it was created by Kling's word, which is what views of the task show; null until it is
    known, and of Kling's replies that do not say it."""
    is_reply_full: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether `reply` of an ended task came from a query: callbacks lack fields."""
    fail_message: Mapped[str | None]
    """Why it failed or was refused; of what the operator ended, what the tenant is told."""
    result_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    result_urls: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")

    refresh_at: Mapped[moment] = mapped_column(server_default=text("now()"))
    """When Kling was last asked, or the flight claimed that asks now."""
    next_look_at: Mapped[moment | None]
    look_attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    look_lease: Mapped[Any | None] = mapped_column(Uuid)
    not_found: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often Kling said "Task not found" to a lookup under our external id."""
    not_found_since: Mapped[moment | None]
    limit_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    """Limits that it took of, which its end is counted in; null where there are none."""
    limit_starts: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    """Of each of them the beginning of the window that it took of."""
    follows: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Who is told of every move by a row in `outbox`; set by HOLD and never later."""
    is_flagged: Mapped[bool] = mapped_column(server_default=text("false"))
    """Something for the operator to read; the events say what."""


class TaskEvent(Base):
    """One thing that happened to a task: a raw reply or callback, or a note for the operator."""

    __tablename__ = "task_events"
    __table_args__ = (Index(None, "task_id", "id"), Index(None, "created_at"))

    id: Mapped[identity]
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    kind: Mapped[str]
    detail: Mapped[str | None]
    actor: Mapped[str] = mapped_column(server_default=text("'relay'"))
    """Whose doing it is, as `desk/actor.py` spells: `relay` is the relay itself."""
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Raw bytes from Kling; removed with the event after 30 days."""
    created_at: Mapped[stamped]


class AddressesForgotten(Base):
    """One row: the last task of those whose callers' addresses are all blanked.

    Tasks are old in the order of their ids, so what is to be blanked begins behind it, and no index
    that every create would pay for has to find it.
    """

    __tablename__ = "addresses_forgotten"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    up_to: Mapped[int] = mapped_column(server_default=text("0"))


class Outbox(Base):
    """One move of a followed task, for one follower; written by the transaction that moved it.

    Nothing here may fail that transaction, which charges: no check, no unique key, no foreign key,
    no trigger. What is left are the failures that entries and events share with it: a full disk, a
    lost right, a lock on the table. Then nothing of the move is written, and it is told again.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due", "follower", "next_attempt_at", postgresql_where="done_at IS NULL"),
        Index("outbox_of_task", "task_id", "id", postgresql_where="done_at IS NULL"),
        Index("outbox_in_order", "follower", "xact", "id"),
        Index(None, "created_at"),
    )

    id: Mapped[identity]
    task_id: Mapped[int]
    follower: Mapped[str]
    state: Mapped[str]
    """Where the task moved to; the same state again where only the full reply came."""
    xact: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    """The transaction that wrote it: ids are drawn before a commit, so they alone are no order.

    A dump that is restored on another server keeps numbers that are ahead there: who reads moves
    begins anew (`outbox.newest`). Who claims them goes on.
    """
    next_attempt_at: Mapped[moment] = mapped_column(server_default=text("now()"))
    """While it is leased: when the lease ends."""
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lease: Mapped[Any | None] = mapped_column(Uuid)
    done_at: Mapped[moment | None]
    created_at: Mapped[stamped]


class Deployment(Base):
    """One row: the random prefix of every external id that we inject.

    Two deployments on one Kling account never meet, nor does one that was set back meet what it
    was before (`restores.former_prefix`).
    """

    __tablename__ = "deployment"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    external_prefix: Mapped[str]
    created_at: Mapped[stamped]


def new_prefix() -> Any:
    """Make a prefix by an expression: 40 random bits, as the migrations made the first one."""
    return func.concat(
        "r", func.left(func.replace(cast(func.gen_random_uuid(), Text), "-", ""), 10)
    )
