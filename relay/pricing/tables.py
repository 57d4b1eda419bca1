"""Prices and multipliers, when they hold and for whom, and what was asked for without a price."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped
from relay.pricing.book import KEY, Multiplier, PriceRow


def _dated() -> tuple[CheckConstraint, ...]:
    """Say what must hold of whatever has a time and somebody whom it is for."""
    return (
        CheckConstraint("valid_to >= valid_from", name="ends_later"),
        CheckConstraint("tenant_id IS NULL OR price_group IS NULL", name="for_one"),
        CheckConstraint(
            "(hour_from IS NULL) = (hour_to IS NULL) AND hour_from <> hour_to"
            " AND hour_from BETWEEN 0 AND 23 AND hour_to BETWEEN 1 AND 24",
            name="hours_of_a_day",
        ),
    )


class StoredPrice(Base):
    """One row of the operator's; a key column that is null fits anything.

    None is changed but for its end: another price is another row, so what was in force at any
    moment can be told.
    """

    __tablename__ = "price_rows"
    __table_args__ = (
        Index(
            "price_rows_slot",
            *("endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s"),
            *("tenant_id", "price_group", "hour_from", "valid_from"),
        ),
        CheckConstraint("kind IN ('units', 'fixed')", name="kind_known"),
        CheckConstraint("per IN ('task', 'second', 'image')", name="per_known"),
        CheckConstraint("pack IN ('video', 'image')", name="pack_known"),
        CheckConstraint("(kind = 'units') = (units IS NOT NULL)", name="units_has_units"),
        CheckConstraint("(kind = 'fixed') = (amount_micros IS NOT NULL)", name="fixed_has_amount"),
        CheckConstraint(
            "units >= 0 AND amount_micros >= 0 AND multiplier >= 0", name="not_negative"
        ),
        CheckConstraint(
            "input_floor IS NULL OR (input_floor >= 0 AND per = 'second')",
            name="input_floor_of_seconds",
        ),
        *_dated(),
    )

    id: Mapped[identity]
    endpoint: Mapped[str]
    model: Mapped[str | None]
    mode: Mapped[str | None]
    sound: Mapped[bool | None]
    voice: Mapped[bool | None]
    video_input: Mapped[bool | None]
    duration_s: Mapped[int | None] = mapped_column(Integer)
    kind: Mapped[str]
    per: Mapped[str]
    units: Mapped[Decimal | None] = mapped_column(Numeric(18, 6))
    amount_micros: Mapped[int | None] = mapped_column(BigInteger)
    pack: Mapped[str] = mapped_column(server_default=text("'video'"))
    multiplier: Mapped[Decimal] = mapped_column(Numeric(12, 6), server_default=text("1"))
    hold_seconds: Mapped[int | None] = mapped_column(Integer)
    input_floor: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
    price_group: Mapped[str | None]
    valid_from: Mapped[moment] = mapped_column(server_default=text("now()"))
    valid_to: Mapped[moment | None]
    """The first moment behind it; that of its beginning: it was withdrawn before it came."""
    hour_from: Mapped[int | None] = mapped_column(SmallInteger)
    hour_to: Mapped[int | None] = mapped_column(SmallInteger)
    created_at: Mapped[stamped]


class StoredMultiplier(Base):
    """What a tenant's prices in units are multiplied by, or a price group's, or everybody's.

    None is changed but for its end, as of prices.
    """

    __tablename__ = "multipliers"
    __table_args__ = (
        Index("multipliers_slot", "tenant_id", "price_group", "hour_from", "valid_from"),
        CheckConstraint("multiplier >= 0", name="not_negative"),
        *_dated(),
    )

    id: Mapped[identity]
    multiplier: Mapped[Decimal] = mapped_column(Numeric(12, 6))
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.id"))
    price_group: Mapped[str | None]
    valid_from: Mapped[moment] = mapped_column(server_default=text("now()"))
    valid_to: Mapped[moment | None]
    hour_from: Mapped[int | None] = mapped_column(SmallInteger)
    hour_to: Mapped[int | None] = mapped_column(SmallInteger)
    created_at: Mapped[stamped]


Stored = type[StoredPrice] | type[StoredMultiplier]


def in_slot(model: Stored, one: PriceRow | Multiplier) -> list[ColumnElement[bool]]:
    """Find the rows of which one at a time is in force."""
    hour_from, hour_to = one.hours or (None, None)
    values: dict[str, Any] = {
        "tenant_id": one.tenant_id,
        "price_group": one.price_group,
        "hour_from": hour_from,
        "hour_to": hour_to,
    }
    if isinstance(one, PriceRow):
        values |= {name: getattr(one, name) for name in KEY}
    return [getattr(model, name).is_not_distinct_from(value) for name, value in values.items()]


class PriceState(Base):
    """One row: what all prices have in common."""

    __tablename__ = "price_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    number: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Of the latest change of a price, a multiplier, the list or a raised hold, by triggers."""
    multiplies_amounts: Mapped[bool | None]
    """Whether multipliers apply to rows with an amount; null was never said, and is no."""


class Price(Base):
    """What is in force for all and all day, for the release before, which reads no other table.

    The desk writes it beside each change of `price_rows`; nothing here reads it.
    """

    __tablename__ = "prices"
    __table_args__ = (
        Index(
            "prices_key",
            *("endpoint", "model", "mode", "sound", "voice", "video_input", "duration_s"),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("kind IN ('units', 'fixed')", name="kind_known"),
        CheckConstraint("per IN ('task', 'second', 'image')", name="per_known"),
        CheckConstraint("pack IN ('video', 'image')", name="pack_known"),
        CheckConstraint("(kind = 'units') = (units IS NOT NULL)", name="units_has_units"),
        CheckConstraint("(kind = 'fixed') = (amount_micros IS NOT NULL)", name="fixed_has_amount"),
        CheckConstraint("units >= 0 AND amount_micros >= 0", name="not_negative"),
        CheckConstraint(
            "input_floor IS NULL OR (input_floor >= 0 AND per = 'second')",
            name="input_floor_of_seconds",
        ),
    )

    id: Mapped[identity]
    endpoint: Mapped[str]
    model: Mapped[str | None]
    mode: Mapped[str | None]
    sound: Mapped[bool | None]
    voice: Mapped[bool | None]
    video_input: Mapped[bool | None]
    duration_s: Mapped[int | None] = mapped_column(Integer)
    kind: Mapped[str]
    per: Mapped[str]
    units: Mapped[Decimal | None] = mapped_column(Numeric(18, 6))
    amount_micros: Mapped[int | None] = mapped_column(BigInteger)
    pack: Mapped[str] = mapped_column(server_default=text("'video'"))
    multiplier: Mapped[Decimal] = mapped_column(Numeric(12, 6), server_default=text("1"))
    hold_seconds: Mapped[int | None] = mapped_column(Integer)
    input_floor: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    created_at: Mapped[stamped]


class PriceList(Base):
    """A list of Kling's that was adopted; the one with the highest id is in force."""

    __tablename__ = "price_lists"

    id: Mapped[identity]
    name: Mapped[str]
    """The day of the list, as `pricing/official.py` names it."""
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """All of its rows, so that any version of the relay prices by them, also one without it."""
    adopted_at: Mapped[stamped]


class PriceMiss(Base):
    """A kind of task that was refused because no row fits; what `relay price missing` lists."""

    __tablename__ = "price_misses"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of what was wanted: a tenant's words are as long as it likes."""
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What was asked for (`kling/wanted.py`)."""
    times: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    first_at: Mapped[stamped]
    last_at: Mapped[moment] = mapped_column(server_default=text("now()"))


class PriceUnderquote(Base):
    """A price row by which less was held than Kling took, and what is held for it since."""

    __tablename__ = "price_underquotes"

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """The row's fingerprint: with another price it is another row."""
    price: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The row, for people."""
    seen_at: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
    """The latest ones, of an hour."""
    dearest: Mapped[Decimal] = mapped_column(Numeric(24, 9))
    """Of these: how many times its price a task cost."""
    rise: Mapped[Decimal | None] = mapped_column(Numeric(24, 9))
    """How many times its price a task is held; null until there were several."""
    risen_at: Mapped[moment | None]
