"""The operator's rows of the price book, and what was asked for without one."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, Numeric, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from relay.database.base import Base, identity, moment, stamped


class Price(Base):
    """One row; a key column that is null fits anything."""

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
