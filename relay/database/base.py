"""What every table is declared on."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text, func
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
"""Postgres' own habit, so that a constraint has one name whoever created it."""

identity = Annotated[
    int, mapped_column(BigInteger, Identity(always=False, start=1), primary_key=True)
]
micros = Annotated[int, mapped_column(BigInteger)]
"""Money: integer micros of the operator's one currency (1.00 = 1_000_000)."""
moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
stamped = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), nullable=False)
]
"""Set by Postgres at insert: one clock for all processes."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
    }
