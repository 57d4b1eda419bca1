"""Sessions of pages, and the links by which a machine's own user, or a tenant, enters."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class WebSession(Base):
    """One browser that somebody has logged in with."""

    __tablename__ = "web_sessions"
    __table_args__ = (
        CheckConstraint("(operator_id IS NULL) <> (machine_user IS NULL)", name="is_somebodys"),
        Index(None, "operator_id"),
    )

    id: Mapped[identity]
    session_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of a secret of 256 random bits, which is in the browser's cookie alone."""
    operator_id: Mapped[int | None] = mapped_column(ForeignKey("operators.id"))
    machine_user: Mapped[str | None]
    """Who has a shell on a machine of the relay's, and came by a link from there. (`SYSTEM_USER`
    is a word of Postgres' own.)"""
    created_at: Mapped[stamped]
    seen_at: Mapped[stamped]
    """To the minute: most requests write nothing."""
    address: Mapped[str]
    """Where it was opened from."""
    agent: Mapped[str]
    """What the browser says it is, for people to tell sessions apart."""
    ended_at: Mapped[moment | None]


class LoginLink(Base):
    """A way in for the user of a machine, good once."""

    __tablename__ = "login_links"

    id: Mapped[identity]
    link_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    machine_user: Mapped[str]
    created_at: Mapped[stamped]
    expires_at: Mapped[moment]
    used_at: Mapped[moment | None]


class PortalSession(Base):
    """One browser that somebody of a tenant has entered the portal with.

    No row of `web_sessions`: there one that is no operator's is a machine's own user's.
    """

    __tablename__ = "portal_sessions"
    __table_args__ = (Index(None, "token_id"),)

    id: Mapped[identity]
    session_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    """By what it was entered, and what it may: it ends with that."""
    created_at: Mapped[stamped]
    seen_at: Mapped[stamped]
    address: Mapped[str]
    agent: Mapped[str]
    support_by: Mapped[str | None]
    """Who of the operator's side is in by a link of its own, as `changes` names actors; null is
    somebody of the tenant's. From where that is no business of the tenant's."""
    ended_at: Mapped[moment | None]


class PortalLink(Base):
    """A way into the portal for somebody of a tenant, good once."""

    __tablename__ = "portal_links"
    __table_args__ = (Index(None, "token_id"),)

    id: Mapped[identity]
    link_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"))
    support_by: Mapped[str | None]
    """Who made it to enter himself; null: it is for somebody of the tenant's."""
    created_at: Mapped[stamped]
    expires_at: Mapped[moment]
    used_at: Mapped[moment | None]
