"""Tenants and the tokens we issue to them."""

from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class Tenant(Base):
    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint("multiplier >= 0", name="multiplier_not_negative"),
        CheckConstraint("removed_at IS NULL OR NOT enabled", name="removed_is_disabled"),
        CheckConstraint(
            "(parent_id IS NULL) = (resale IS NULL)"
            " AND (parent_id IS NOT NULL OR made_by_id IS NULL)",
            name="resale_is_a_childs",
        ),
        CheckConstraint("resale >= 1", name="resale_at_least_1"),
        Index(None, "account_id"),
        Index(None, "parent_id"),
    )

    id: Mapped[identity]
    name: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    """What it draws on: its own, or of a sub-tenant its parent's."""
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
    """The tenant that it is a sub-tenant of, whose prices the account is charged; for good."""
    resale: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    """How many times its parent's prices its own are; null is of who has no parent."""
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id", use_alter=True))
    """The token of its parent that opened it, and shuts it out when it is revoked; null is none."""
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    shut_by_parent: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its parent, or the end of a key of that one's, shut it out: then that lets it in."""
    multiplier: Mapped[Decimal] = mapped_column(Numeric(12, 6), server_default=text("1"))
    """For the release before, which reads no other; `multipliers` (`pricing/`) has what holds."""
    shows_quote: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether answers to its submits carry the quoted price in `x-relay-quote`."""
    joins_retries: Mapped[bool] = mapped_column(server_default=text("true"))
    """Whether a create like one whose answer nobody heard is answered by that one's task."""
    lints_creates: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether its creates are judged by Kling's documents first (`kling/lint/`)."""
    groups: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Of channels, that serve it (`channels/groups.py`); null is all."""
    price_group: Mapped[str | None]
    """Whose prices and multipliers are its, where it has none of its own (`pricing/`)."""
    queue_s: Mapped[int | None] = mapped_column(Integer)
    """For how many seconds its creates wait for room; null is not at all."""
    queue_weight: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    """Its share of the slots beside other tenants that wait."""
    room_min: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """With fewer slots taken than that, of a pack, it is served before all others."""
    expires_at: Mapped[moment | None]
    """From then on it is refused."""
    addresses: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Networks that it is taken from; null is from everywhere."""
    endpoints: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """That it may create at, by name; null is all."""
    models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """That it may ask for, in lower case; null is all."""
    keep_results_days: Mapped[int | None] = mapped_column(Integer)
    """For how many days files of its tasks' results are kept (`assets/`); null is not at all."""
    asset_bytes_max: Mapped[int | None]
    """How many bytes of them it may have; null is any."""
    asset_gb_month_micros: Mapped[int | None]
    """What a GB-month of its files costs; null is what it costs everybody."""
    result_urls: Mapped[str] = mapped_column(server_default=text("'kling'"))
    """Whose URLs its tasks show of what is kept: `kling` or `ours`."""
    contact: Mapped[str | None]
    """Who is written to about it, as an operator put it; forgotten when it is removed."""
    notes: Mapped[str | None]
    """What operators want to remember of it, in lines; forgotten when it is removed."""
    created_at: Mapped[stamped]
    removed_at: Mapped[moment | None]
    """Its tasks and entries stay, so the row does, under a name that leaves the old one free."""


class Token(Base):
    """One access key + secret key pair, one API key, or both."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("(access_key IS NULL) = (secret_key_sealed IS NULL)", name="pair_is_whole"),
        CheckConstraint(
            "access_key IS NOT NULL OR api_key_hash IS NOT NULL", name="has_a_credential"
        ),
        CheckConstraint("scope IN ('call', 'read', 'manage')", name="scope_known"),
        Index(None, "tenant_id"),
        *(
            Index(f"tokens_{name}", name, postgresql_where=f"{name} IS NOT NULL")
            for name in ("former_access_key", "former_api_key_hash")
        ),
    )

    id: Mapped[identity]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    access_key: Mapped[str | None] = mapped_column(unique=True)
    secret_key_sealed: Mapped[str | None]
    api_key_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of the key: our own keys have 256 random bits, so a slow hash would add nothing."""
    api_key_hint: Mapped[str | None]
    """Its last four characters, for people to tell keys apart."""
    groups: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Of channels, that serve it; null is as its tenant."""
    queue_s: Mapped[int | None] = mapped_column(Integer)
    """For how many seconds creates with it wait for room; 0 is not at all, null as its tenant's."""
    is_test: Mapped[bool] = mapped_column(server_default=text("false"))
    """Its tasks run on sandboxes, in the group `test`, and are free."""
    scope: Mapped[str] = mapped_column(server_default=text("'call'"))
    """What it may be used for (`tenants/scope.py`)."""
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id"))
    """The token of its tenant that made it, and takes it along when it is revoked; null is none."""
    name: Mapped[str | None]
    """What people call it; null is nothing."""
    expires_at: Mapped[moment | None]
    """From then on it is refused."""
    addresses: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Networks that it is taken from; null is from everywhere."""
    endpoints: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """That it may create at, by name; null is all."""
    models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """That it may ask for, in lower case; null is all."""
    operator_set: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Which of its bounds an operator set last, by their columns: no key changes these."""
    former_access_key: Mapped[str | None]
    """What it had before it was rotated, taken until `former_until`."""
    former_secret_key_sealed: Mapped[str | None]
    former_api_key_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_until: Mapped[moment | None]
    created_at: Mapped[stamped]
    revoked_at: Mapped[moment | None]


class TokenChanges(Base):
    """One row: the number of the latest change of a token or tenant, written by triggers.

    Its moment in microseconds; one more than the number before it, should the clock be behind.
    """

    __tablename__ = "token_changes"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    number: Mapped[int] = mapped_column(server_default=text("0"))
