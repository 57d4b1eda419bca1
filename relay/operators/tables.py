"""Operators and the tokens that they show the office."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class Role(StrEnum):
    """What an operator is; what each may do stands in `desk/roles.py`."""

    OWNER = "owner"
    """Whose business it is: all."""
    OPERATOR = "operator"
    """Keeps it running: channels, tenants, tokens, tasks."""
    FINANCE = "finance"
    """Keeps its books: top-ups, prices, months."""
    SUPPORT = "support"
    """Answers tenants: refunds within a bound, callbacks again."""
    VIEWER = "viewer"
    """Looks, and does nothing."""


class Operator(Base):
    __tablename__ = "operators"
    __table_args__ = (
        CheckConstraint(
            f"role IN ({', '.join(repr(role.value) for role in Role)})", name="role_known"
        ),
    )

    id: Mapped[identity]
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    ceilings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Its own, by act: micros in 24 hours. Of what is not named its role's holds."""
    created_at: Mapped[stamped]
    removed_at: Mapped[moment | None]
    """What it did stays, so the row does, under a name that leaves the old one free."""
    password_hash: Mapped[str | None]
    """As `logins/passwords.py` makes it; null cannot log in."""
    totp_sealed: Mapped[str | None]
    """The secret of its second factor, sealed; null asks for no code."""
    totp_step: Mapped[int | None]
    """The last whose code was used (`logins/second_factor.py`): a code is good once."""


class OperatorToken(Base):
    """What an operator, or a program of one, shows the office."""

    __tablename__ = "operator_tokens"
    __table_args__ = (Index(None, "operator_id"),)

    id: Mapped[identity]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """SHA-256, as of tenants' API keys: it has 288 random bits."""
    hint: Mapped[str]
    """Its last four characters, for people to tell tokens apart."""
    addresses: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Networks that it is taken from; null is anywhere."""
    created_at: Mapped[stamped]
    expires_at: Mapped[moment | None]
    revoked_at: Mapped[moment | None]


class OperatorAnswer(Base):
    """What an act in the office was answered, for whoever asks for it again by the same key."""

    __tablename__ = "operator_answers"
    __table_args__ = (UniqueConstraint("token_id", "key"),)

    id: Mapped[identity]
    token_id: Mapped[int] = mapped_column(ForeignKey("operator_tokens.id"))
    key: Mapped[str]
    """As its client chose it; each token has its own."""
    asked_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of what was asked: method, target and body."""
    answer_sealed: Mapped[str]
    """Status, ETag and body; sealed, since some show a secret this once."""
    created_at: Mapped[stamped]
