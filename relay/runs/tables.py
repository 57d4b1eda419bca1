"""Runs, their steps, and what happened to them in order."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Integer, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text, Uuid

from relay.database.base import Base, identity, micros, moment, stamped
from relay.database.sealed import SealedColumn
from relay.database.xid8 import Xid8


class RunState(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    """Nothing of it is at Kling yet."""
    PROCESSING = "processing"
    """A step was sent."""
    COMPLETED = "completed"
    """All steps ended well."""
    FAILED = "failed"
    """A step failed, and none of the others can go on; what ended well is there."""
    CANCELLED = "cancelled"
    """Its tenant stopped it before its last step began."""


class StepState(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    """For steps before it."""
    READY = "ready"
    """To be sent: not tried yet, being sent, or tried in vain."""
    SENT = "sent"
    """It has a task, which is told of."""
    KEEPING = "keeping"
    """Its task ended well, and its files are being copied."""
    DONE = "done"
    """It ended well."""
    FAILED = "failed"
    """It came to nothing, and is not tried again unless somebody asks."""
    SKIPPED = "skipped"
    """It never began: what it needs failed, or the run was cancelled."""


OPEN_STEPS = frozenset({StepState.WAITING, StepState.READY, StepState.SENT, StepState.KEEPING})
ENDED_RUNS = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED})


class Run(Base):
    """One thing that a tenant asked for, of one create of Kling's or of several."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')",
            name="state_known",
        ),
        CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled'))",
            name="end_is_told",
        ),
        CheckConstraint("cap_micros >= 0", name="cap_not_negative"),
        Index(None, "tenant_id", "id"),
        Index("runs_open", "tenant_id", "id", postgresql_where="ended_at IS NULL"),
        Index("runs_key", "token_id", "key", unique=True, postgresql_where="key IS NOT NULL"),
        Index(
            "runs_unheard",
            *("token_id", "fingerprint", "id"),
            postgresql_where="key IS NULL AND fingerprint IS NOT NULL",
        ),
        Index(
            "runs_inputs_kept",
            "ended_at",
            postgresql_where="ended_at IS NOT NULL AND input_sealed IS NOT NULL",
        ),
        Index(
            "runs_inputs_of_tenant",
            "tenant_id",
            "ended_at",
            postgresql_where="ended_at IS NOT NULL AND input_sealed IS NOT NULL",
        ),
        Index("runs_by_state", "tenant_id", "state", "id"),
        Index("runs_by_kind_and_state", "tenant_id", "kind", "state", "id"),
        Index("runs_of_kind", "tenant_id", "kind", "id"),
        CheckConstraint(
            "(batch_id IS NULL) = (batch_place IS NULL)", name="batch_and_place_together"
        ),
        Index(
            "runs_batch",
            "batch_id",
            "batch_place",
            unique=True,
            postgresql_where="batch_id IS NOT NULL",
        ),
        Index(
            "runs_of_inputs",
            *("tenant_id", "inputs_mac", "id"),
            postgresql_where="inputs_mac IS NOT NULL",
        ),
    )

    id: Mapped[identity]
    public_id: Mapped[UUID] = mapped_column(
        Uuid, server_default=text("gen_random_uuid()"), unique=True
    )
    """What it is called outside."""
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    """By whose rights its steps are sent, as they are then."""
    kind: Mapped[str]
    """The capability or template that it is of."""
    source: Mapped[str]
    """Through which door it came in."""
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    input_sealed: Mapped[str | None]
    """What was asked for, as JSON, texts and all; null once it is forgotten."""
    key: Mapped[str | None]
    """The `Idempotency-Key` that it came with."""
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of what came with that key; or without any, where nobody awaits its answer: then an equal
    create joins it."""
    inputs_mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of all that is made by it: whose is equal may be given its results (`reuse.py`). Forgotten
    with its input; null where nothing is kept of results, and of one that was given another's."""
    reused_from: Mapped[int | None]
    """Whose results it was given: it has no steps of its own, and costs nothing. No foreign key:
    runs are never deleted."""
    caller_address: Mapped[str | None]
    request_id: Mapped[str]
    """Of the create that awaits its answer, or was the last to do so."""
    quote_micros: Mapped[micros]
    """What all steps together may cost, as it was quoted before the first."""
    cap_micros: Mapped[micros]
    """What they may cost at the most, whatever prices do meanwhile."""
    error_code: Mapped[int | None] = mapped_column(Integer)
    """Kling's, where it failed with one."""
    error_message: Mapped[str | None]
    created_at: Mapped[stamped]
    updated_at: Mapped[stamped]
    started_at: Mapped[moment | None]
    """When its first step was at Kling."""
    ended_at: Mapped[moment | None]
    cancelled_at: Mapped[moment | None]
    """Since when no new step begins."""
    batch_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("run_batches.id"))
    """What it came in with others by, if it did."""
    batch_place: Mapped[int | None] = mapped_column(Integer)
    """Its place among those, from 0: one run at most, however often the batch is sent."""


class RunBatch(Base):
    """Creates that came in one request; each is a run by itself."""

    __tablename__ = "run_batches"
    __table_args__ = (
        CheckConstraint("items > 0", name="has_items"),
        CheckConstraint("(key IS NULL) = (fingerprint IS NULL)", name="key_has_a_fingerprint"),
        Index(
            "run_batches_key", "token_id", "key", unique=True, postgresql_where="key IS NOT NULL"
        ),
    )

    id: Mapped[UUID] = mapped_column(
        Uuid, server_default=text("gen_random_uuid()"), primary_key=True
    )
    """What it is called outside, too."""
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    key: Mapped[str | None]
    """The `Idempotency-Key` that it came with."""
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of what came with that key."""
    items: Mapped[int] = mapped_column(Integer)
    """How many were asked for; those that were refused are no runs."""
    created_at: Mapped[stamped]
    cancelled_at: Mapped[moment | None]
    """Since when nothing more of it is taken."""


class RunStep(Base):
    """One create in a run."""

    __tablename__ = "run_steps"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'ready', 'sent', 'keeping', 'done', 'failed', 'skipped')",
            name="state_known",
        ),
        CheckConstraint("state <> 'sent' OR task_id IS NOT NULL", name="sent_has_a_task"),
        CheckConstraint("reserved_micros >= 0", name="reserve_not_negative"),
        Index("run_steps_name", "run_id", "name", unique=True),
        Index(
            "run_steps_to_send", "tenant_id", "next_attempt_at", postgresql_where="state = 'ready'"
        ),
        Index(
            "run_steps_to_look_at",
            "tenant_id",
            "next_attempt_at",
            postgresql_where="state IN ('sent', 'keeping')",
        ),
        Index("run_steps_of_task", "task_id", postgresql_where="task_id IS NOT NULL"),
    )

    id: Mapped[identity]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    tenant_id: Mapped[int]
    """Its run's: by turns among them steps are moved."""
    name: Mapped[str]
    """Unique in its run."""
    place: Mapped[int] = mapped_column(Integer)
    """In the order in which people read them, from 0."""
    needs: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Names of the steps that must have ended well before it begins."""
    takes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """What stands in its body of what those made, each as `name.path`; null of those that were
    written before that was noted."""
    endpoint: Mapped[str]
    """Name of its row in `kling/endpoints.py`."""
    model: Mapped[str | None]
    """As it stands in the path of a 2.0 create."""
    price_name: Mapped[str | None]
    """Of what price rows it is charged by, if not its endpoint's; "" is free of charge."""
    share_micros: Mapped[micros | None]
    """What it is charged of its run's price, which was divided as it began; then no row prices
    it."""
    is_result: Mapped[bool] = mapped_column(server_default=text("true"))
    """Whether what it makes is what the run was asked for."""
    body_sealed: Mapped[str | None]
    """What is sent, as JSON, with holes for what steps before it make; null once forgotten."""
    state: Mapped[str]
    key: Mapped[UUID] = mapped_column(Uuid, server_default=text("gen_random_uuid()"))
    """Under which it is sent: one task at most, however often it is tried; new with a retry of a
    task that ended."""
    task_id: Mapped[int | None]
    """No foreign key: it is written while its task's row may be locked by who ends it."""
    task_state: Mapped[str | None]
    """At which stage its task was when it was looked at last (`stages.py`)."""
    usual_s: Mapped[float | None] = mapped_column(Double)
    """What half of such tasks took at the most, as it was known when this one was sent."""
    quote_micros: Mapped[micros]
    reserved_micros: Mapped[micros] = mapped_column(server_default=text("0"))
    """What it takes of the run's cap: its hold while it is open, then its charge."""
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often it surely made nothing."""
    next_attempt_at: Mapped[stamped]
    """While it is leased: when the lease ends."""
    lease: Mapped[UUID | None] = mapped_column(Uuid)
    output: Mapped[str | None]
    """What it made: `data` of Kling's reply, JSON."""
    error_code: Mapped[int | None] = mapped_column(Integer)
    error_message: Mapped[str | None]
    sent_at: Mapped[moment | None]
    made_at: Mapped[moment | None]
    """When its task ended well; its files may be on their way since."""
    ended_at: Mapped[moment | None]


class RunEvent(Base):
    """One move of a run or of a step, for who follows it; written by the transaction that moved."""

    __tablename__ = "run_events"
    __table_args__ = (
        Index("run_events_in_order", "xact", "id"),
        Index("run_events_of_tenant", "tenant_id", "xact", "id"),
        Index("run_events_of_run", "run_id", "xact", "id"),
        Index(None, "created_at"),
    )

    id: Mapped[identity]
    run_id: Mapped[int]
    tenant_id: Mapped[int]
    shown: Mapped[str]
    """The run as it was then: its state, its stage and its steps', JSON without texts."""
    xact: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    """As in the outbox: ids alone are no order."""
    created_at: Mapped[stamped]


class RunRetention(Base):
    """For how long a tenant has its inputs kept; without a row it is as the settings say.

    A table of its own: whoever writes a tenant's row has all processes read all tokens anew.
    """

    __tablename__ = "run_retentions"
    __table_args__ = (CheckConstraint("days >= 0", name="days_not_negative"),)

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    days: Mapped[int] = mapped_column(Integer)
    """After the end of a run; never more than the settings say."""


def input_context(run_id: int) -> str:
    return f"runs/{run_id}/input"


def body_context(step_id: int) -> str:
    return f"run_steps/{step_id}/body"


SEALED = (
    SealedColumn(Run, "input_sealed", input_context),
    SealedColumn(RunStep, "body_sealed", body_context),
)
