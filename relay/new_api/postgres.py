"""A Postgres of new-api's, read in one REPEATABLE READ transaction that cannot write."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from relay.database.url import read_url
from relay.new_api.source import Row, SourceError

CONNECT_S = 15.0
ROWS_AT_ONCE = 1000
COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = ANY (current_schemas(false))
"""
Result = TypeVar("Result")


class PostgresSource:
    """See `Source`; its connection belongs to a loop of its own."""

    def __init__(self, place: str) -> None:
        try:
            url = read_url(place)
        except ValueError as error:
            raise SourceError(f"the URL cannot be read: {error}") from None
        places = ", ".join(map(str, url.places)) or "localhost"
        self.shown = f"postgresql://{places}/{url.database}"
        self._runner = asyncio.Runner()
        try:
            self._connection = self._run(self._connect(url.dsn))
        except BaseException:
            self._runner.close()
            raise

    def columns(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for table, column in self._run(self._connection.fetch(COLUMNS)):
            found.setdefault(table, set()).add(column)
        return {table: frozenset(columns) for table, columns in found.items()}

    def rows(self, sql: str) -> Iterator[Row]:
        cursor = self._run(self._cursor(sql))
        while some := self._run(cursor.fetch(ROWS_AT_ONCE)):
            for record in some:
                yield dict(record)

    def quoted(self, name: str) -> str:
        return f'"{name}"'

    def close(self) -> None:
        try:
            self._runner.run(self._connection.close(timeout=CONNECT_S))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()
        finally:
            self._runner.close()

    async def _connect(self, dsn: str) -> Any:
        # No cache of statements: a pooler may stand before it.
        connection = await asyncpg.connect(dsn, timeout=CONNECT_S, statement_cache_size=0)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return connection

    async def _cursor(self, sql: str) -> Any:
        return await self._connection.cursor(sql)

    def _run(self, question: Coroutine[Any, Any, Result] | AsyncIterator[Any]) -> Any:
        with self._told():
            return self._runner.run(question)  # type: ignore[arg-type]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise SourceError(f"{self.shown} does not answer") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise SourceError(f"{self.shown} cannot be read: {error}") from error
