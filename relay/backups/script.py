r"""Running the script of a backup on a connection, in the transaction that is open there.

pg_dump's plain script is SQL with blocks of rows: `COPY … FROM stdin;`, the rows, `\.`. What was
sealed by us was written by pg_dump, so it is trusted to be of that form.
"""

import re
import zlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from relay.backups.sealed_file import BackupUnusable

_NAME = rb'("(?:[^"]|"")+"|\w+)'
COPY = re.compile(
    rb"^COPY " + _NAME + rb"\." + _NAME + rb" \(([^\n]*)\) FROM stdin;\n", re.MULTILINE
)
NAME = re.compile(_NAME)
END_OF_ROWS = b"\n\\.\n"
LEFT_OUT = re.compile(
    # Commands of psql's; what the target has already; what servers before 17 do not know.
    rb"^(\\(un)?restrict .*|CREATE SCHEMA [^;]*;|COMMENT ON SCHEMA .*;|SET transaction_timeout.*)$",
    re.MULTILINE,
)
STATEMENT = re.compile(rb"^(?!--)[ \t]*\S", re.MULTILINE)
"""Of nothing but remarks asyncpg makes an error."""
INFLATED_BYTES_MAX = 1024 * 1024
TIMEOUT_S = 7 * 86400.0
"""Of one statement: building an index of a large table may take hours."""


async def run_script(connection: Any, compressed: AsyncIterator[bytes]) -> None:
    """Run it as it comes; `connection` is asyncpg's own.

    Raises:
        BackupUnusable: it ends too early. What ran is to be rolled back.
        asyncpg.PostgresError: a statement failed.
    """
    script = _Script(_inflated(compressed))
    is_over = False
    while not is_over:
        statements, copy = await script.read_statements()
        statements = LEFT_OUT.sub(b"", statements)
        if STATEMENT.search(statements):
            await connection.execute(statements.decode(), timeout=TIMEOUT_S)
        if copy is not None:
            await connection.copy_to_table(
                copy.table,
                schema_name=copy.schema,
                columns=copy.columns,
                source=script.read_rows(),
                timeout=TIMEOUT_S,
            )
        is_over = copy is None


class _Copy(NamedTuple):
    schema: str
    table: str
    columns: list[str]


class _Script:
    """Reads statements and blocks of rows in turn, with no more of it in memory than need be."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._pending = b""

    async def read_statements(self) -> tuple[bytes, _Copy | None]:
        """Read up to the next block of rows, which is to be read then; None: it was the last."""
        while not (found := COPY.search(self._pending)):
            if not await self._read():
                rest, self._pending = self._pending, b""
                return rest, None
        before, self._pending = self._pending[: found.start()], self._pending[found.end() :]
        columns = [_plain(name) for name in NAME.findall(found[3])]
        return before, _Copy(_plain(found[1]), _plain(found[2]), columns)

    async def read_rows(self) -> AsyncIterator[bytes]:
        self._pending = b"\n" + self._pending  # so that each row, the first one too, begins a line
        skipped = 1
        while (end := self._pending.find(END_OF_ROWS)) < 0:
            kept = len(END_OF_ROWS) - 1
            if len(self._pending) > kept + skipped:
                ready, self._pending = self._pending[:-kept], self._pending[-kept:]
                yield ready[skipped:]
                skipped = 0
            if not await self._read():
                raise BackupUnusable("what was sealed ends within a table")
        rows, self._pending = self._pending[: end + 1], self._pending[end + len(END_OF_ROWS) :]
        yield rows[skipped:]

    async def _read(self) -> bool:
        chunk = await anext(self._chunks, None)
        self._pending += chunk or b""
        return chunk is not None


def _plain(name: bytes) -> str:
    decoded = name.decode()
    return decoded[1:-1].replace('""', '"') if decoded.startswith('"') else decoded


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    async for chunk in chunks:
        data = chunk
        try:
            while data:
                if plain := inflate.decompress(data, INFLATED_BYTES_MAX):
                    yield plain
                data = inflate.unconsumed_tail
        except zlib.error as error:
            raise BackupUnusable("what was sealed is no script of pg_dump's") from error
    yield inflate.flush()
    if not inflate.eof:
        raise BackupUnusable("what was sealed ends too early")
