"""A SQLite file of new-api's (`one-api.db`), with the log of writes that lies beside it."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from relay.new_api.source import Row, SourceError

BUSY_S = 5.0


class SqliteSource:
    """See `Source`."""

    def __init__(self, place: str) -> None:
        path = Path(place.removeprefix("sqlite://").removeprefix("file:"))
        self.shown = str(path)
        if not path.is_file():
            raise SourceError(f"there is no file {path}")
        with self._told():
            self._connection = sqlite3.connect(
                f"file:{quote(str(path.resolve()))}?mode=ro",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.text_factory = lambda text: text.decode(errors="replace")
            self._connection.execute("BEGIN")
            # The snapshot is taken by the first thing that is read.
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def columns(self) -> Mapping[str, frozenset[str]]:
        with self._told():
            tables = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                table: frozenset(
                    name
                    for (name,) in self._connection.execute(
                        "SELECT name FROM pragma_table_info(?)", (table,)
                    )
                )
                for (table,) in tables.fetchall()
            }

    def rows(self, sql: str) -> Iterator[Row]:
        with self._told():
            for row in self._connection.execute(sql):
                yield dict(row)

    def quoted(self, name: str) -> str:
        return f'"{name}"'

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SourceError(
                f"{self.shown} cannot be read as a SQLite database: {error}"
            ) from error
