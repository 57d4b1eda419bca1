"""What waits for room."""

from sqlalchemy import Double, ForeignKey, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from relay.database.base import Base, moment, stamped
from relay.database.sealed import SealedColumn


class Queued(Base):
    """One create that waits, or that was sent and has no verdict yet; gone with the verdict."""

    __tablename__ = "queue"

    id: Mapped[int] = mapped_column("task_id", BigInteger, ForeignKey("tasks.id"), primary_key=True)
    body_sealed: Mapped[str]
    """What the tenant sent, but for the fields that are ours: prompts and images."""
    path_model: Mapped[str | None]
    """As it stands in the path of a 2.0 create."""
    channel_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """Channels whose slots it waits for: what becomes free there is this one's first. Those that
    could take it when it came, then those that lack but a slot for it, as each turn finds."""
    until: Mapped[moment]
    """It ends then, if it still waits."""
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """How often it was sent, had no verdict, and was surely not made."""
    failed_at: Mapped[moment | None]
    """Since when that is so, if it is."""
    created_at: Mapped[stamped]
    """Since when it waits; where it was put back, from the first time."""


class QueueAccountTurn(Base):
    """How much an account was served, on a clock that all share: start-time fair queueing."""

    __tablename__ = "queue_account_turns"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    began: Mapped[float] = mapped_column(Double)
    clock: Mapped[float] = mapped_column(Double)


class QueueTurn(Base):
    """How much a tenant was served, on a clock that the tenants of its account share, likewise.

    A table of its own: whoever writes a tenant's row has all processes read all tokens anew.
    """

    __tablename__ = "queue_turns"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    began: Mapped[float] = mapped_column(Double)
    """Where the clock stood when it was last served."""
    clock: Mapped[float] = mapped_column(Double)
    """Where it comes next: slots that it was given, each divided by its weight."""


def body_context(task_id: int) -> str:
    return f"queue/{task_id}/body"


SEALED = (SealedColumn(Queued, "body_sealed", body_context),)
