"""Who was moved here, from which user of which installation; tasks and names of there."""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, micros, moment, stamped


class MovedTenant(Base):
    """A tenant that was a user there."""

    __tablename__ = "moved_tenants"
    __table_args__ = (Index(None, "tenant_id"),)

    source: Mapped[str] = mapped_column(primary_key=True)
    """What the operator calls the installation."""
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    username: Mapped[str]
    opening_micros: Mapped[micros]
    """What its opening and the corrections of it come to."""
    openings: Mapped[int]
    """How many entries those are, which number their references."""
    moved_at: Mapped[stamped]


class MovedTask(Base):
    """A task that ended there; read where an id is no task's of ours."""

    __tablename__ = "moved_tasks"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    """`task_…`, or of older versions Kling's own."""
    endpoint: Mapped[str]
    model: Mapped[str | None]
    has_succeeded: Mapped[bool]
    message: Mapped[str]
    result_url: Mapped[str | None]
    shown: Mapped[str]
    """Kling's task object as its tenant sees it: JSON, under this id and without what it cost."""
    created_at: Mapped[moment]
    ended_at: Mapped[moment | None]


class MovedModel(Base):
    """A name that channels there gave to a model of Kling's; known on new-api's own paths alone."""

    __tablename__ = "moved_models"

    name: Mapped[str] = mapped_column(primary_key=True)
    """As clients spell it."""
    model: Mapped[str]
    """What Kling calls it."""
    source: Mapped[str]
    """Which installation's word it is."""
    moved_at: Mapped[stamped]
