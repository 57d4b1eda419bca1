"""A database of new-api's, as each engine's is read."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

Row = Mapping[str, Any]


class SourceError(Exception):
    """It cannot be read, or is no new-api's: a sentence that repeats no password."""


class Source(Protocol):
    """One snapshot of a database."""

    shown: str
    """Where it is, for people: without a password."""

    def columns(self) -> Mapping[str, frozenset[str]]:
        """List tables with the names of their columns."""

    def rows(self, sql: str) -> Iterator[Row]:
        """Read rows, a few at a time, by the names of their columns.

        One reading at a time: the next begins when this one has ended.
        """

    def quoted(self, name: str) -> str:
        """Quote a name of a table or column, some of which are reserved words."""

    def close(self) -> None: ...
