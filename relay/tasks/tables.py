"""Tasks, what happened to them, and this deployment's mark on Kling's accounts."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Text, Uuid

from relay.database.base import Base, identity, micros, moment, stamped


class TaskState(StrEnum):
    """Where a task stands; states only move forward (docs/states.md)."""

    PENDING = "pending"
    """Held, and not sent or being sent."""
    UNKNOWN = "unknown"
    """Sent without a verdict: a video may exist, so the hold stays until Kling tells."""
    SUBMITTED = "submitted"
    """Kling has it; `task_id` is known, unless a callback without one came first."""
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
            "state IN ('pending', 'unknown', 'submitted', 'processing', 'succeed', 'failed',"
            " 'refused')",
            name="state_known",
        ),
        CheckConstraint(
            "(hold_ended_at IS NULL) ="
            " (state IN ('pending', 'unknown', 'submitted', 'processing'))",
            name="open_hold_iff_live",
        ),
        CheckConstraint(
            "(charged_micros IS NOT NULL) = (state = 'succeed')", name="charged_iff_succeed"
        ),
        CheckConstraint(
            "charged_micros BETWEEN 0 AND hold_micros", name="charged_at_most_the_hold"
        ),
        CheckConstraint("hold_micros >= 0", name="hold_not_negative"),
        Index(  # by Kling's id first, so that a tenant's GET, which names no channel, has it too
            "tasks_kling_key",
            *("task_id", "channel_id"),
            unique=True,
            postgresql_where="task_id IS NOT NULL",
        ),
        Index(
            "tasks_tenant_external_id",
            *("tenant_id", "tenant_external_id"),
            unique=True,
            postgresql_where="state <> 'refused' AND tenant_external_id IS NOT NULL",
        ),
        Index(
            "tasks_list",
            *("tenant_id", "endpoint", "id"),
            postgresql_where="task_id IS NOT NULL AND state <> 'refused'",
        ),
        Index("tasks_due", "next_look_at", postgresql_where="next_look_at IS NOT NULL"),
        Index("tasks_open", "tenant_id", postgresql_where="hold_ended_at IS NULL"),
        Index("tasks_flagged", "id", postgresql_where="is_flagged"),
        Index(None, "request_id"),
        Index(
            "tasks_kling_request",
            "kling_request_id",
            postgresql_where="kling_request_id IS NOT NULL",
        ),
        {"postgresql_with": {"fillfactor": 70}},  # a row grows and is updated about five times
    )

    id: Mapped[identity]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id"))
    channels_tried: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    """Earlier channels, which refused it for reasons of the account or were never reached."""
    endpoint: Mapped[str]
    """Name of its row in `kling/endpoints.py`."""
    state: Mapped[str]
    task_id: Mapped[str | None]
    """Kling's id; null until Kling accepted it."""
    external_id: Mapped[str] = mapped_column(unique=True)
    """The `external_task_id` that we injected: deployment prefix, our id, 64 random bits."""
    tenant_external_id: Mapped[str | None]
    callback_url: Mapped[str | None]
    request_id: Mapped[str]
    """Ours, of the submit: the `x-request-id` the tenant saw."""
    kling_request_id: Mapped[str | None]

    quote: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What it may cost, frozen with the price row that made it (`pricing/quote.py`)."""
    hold_micros: Mapped[micros]
    """What was held at submit; the most that is ever charged."""
    hold_ended_at: Mapped[moment | None]
    charged_micros: Mapped[micros | None]
    deduction: Mapped[str | None]
    """Kling's own cost fields, raw JSON as sent."""

    created_at: Mapped[stamped]
    submit_deadline_at: Mapped[moment]
    """Until then the process that holds the submit owns it; afterwards it is looked up."""
    submitted_at: Mapped[moment | None]
    ended_at: Mapped[moment | None]
    ended_via: Mapped[str | None]
    """Who told us: callback, query, look, submit or operator."""

    reply: Mapped[str | None]
    """The last task object that Kling sent (`data` of a reply, or a callback's body), raw JSON."""
    is_reply_full: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether `reply` of an ended task came from a query: callbacks lack fields."""
    fail_message: Mapped[str | None]
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
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Raw bytes from Kling; removed with the event after 30 days."""
    created_at: Mapped[stamped]


class Deployment(Base):
    """One row: the random prefix of every external id that we inject.

    Two deployments on one Kling account never meet.
    """

    __tablename__ = "deployment"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    external_prefix: Mapped[str]
    created_at: Mapped[stamped]
