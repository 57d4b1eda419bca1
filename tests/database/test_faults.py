"""Which errors are the database's own, however they are wrapped, and how they are told."""

import io
import json
import socket

import asyncpg
import pytest
import structlog
from asyncpg.exceptions._base import DataError as UnencodableError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from relay.database.batch import RowBlocked
from relay.database.engine import dsn, open_engine, open_sessions
from relay.database.faults import is_fault, log_failure, persist
from relay.database.line import DatabaseUnavailable
from tests.database.broken import away, cut_connections

FAULTS = [
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.DiskFullError("no space left"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE"),
    asyncpg.InvalidPasswordError("password authentication failed"),
    asyncpg.InvalidCatalogNameError("database does not exist"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.LockNotAvailableError("lock timeout"),
    asyncpg.IdleInTransactionSessionTimeoutError("idle"),
    asyncpg.InvalidSQLStatementNameError("prepared statement does not exist"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle"),
    asyncpg.PostgresIOError("could not read block"),
    asyncpg.InternalServerError("cache lookup failed"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("unexpected message"),
    DatabaseUnavailable(),
    RowBlocked(),
    PoolTimeoutError("QueuePool limit"),
    ConnectionResetError("reset"),
    TimeoutError(),
    socket.gaierror("no such name"),
]
BUGS = [
    asyncpg.UniqueViolationError("duplicate key"),
    asyncpg.UndefinedColumnError("no such column"),
    asyncpg.DataError("invalid input syntax"),
    UnencodableError("value out of int64 range"),
    ValueError("wrong"),
    LookupError("none"),
]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_a_fault_of_the_database_is_known(error: Exception) -> None:
    assert is_fault(error)


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_a_bug_of_ours_is_none(error: Exception) -> None:
    assert not is_fault(error)


async def test_what_sqlalchemy_wraps_is_known_and_told_without_its_values(
    database_url: str, logged: io.StringIO
) -> None:
    """A connection that broke, a database that is away: one line each, with no SQL and no trace."""
    engine = open_engine(database_url)
    sessions = open_sessions(engine)
    errors: list[Exception] = []
    async with sessions() as session:
        await session.execute(text("SELECT 1"))
        await cut_connections(database_url)
        with pytest.raises(DBAPIError) as broken:
            await session.execute(text("SELECT :secret"), {"secret": "prompt"})
        errors.append(broken.value)
    async with away(database_url):
        with pytest.raises(Exception) as refused:  # noqa: PT011 (whatever the driver raises)
            async with sessions() as session:
                await session.execute(text("SELECT 1"))
        errors.append(refused.value)
    await engine.dispose()

    for error in errors:
        log_failure(structlog.get_logger(), "thing.failed", error)
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]

    assert [is_fault(error) for error in errors] == [True, True]
    assert [set(line) for line in lines] == [{"event", "level", "timestamp", "error", "why"}] * 2
    assert "prompt" not in logged.getvalue()


def test_of_a_fault_the_cause_is_told_by_its_first_line(logged: io.StringIO) -> None:
    """What our own errors stand for, without what a server's words have below."""
    error = DatabaseUnavailable()
    error.__cause__ = asyncpg.AdminShutdownError("terminating connection\nDETAIL: prompt")

    log_failure(structlog.get_logger(), "thing.failed", error)

    line = json.loads(logged.getvalue())
    assert (line["error"], line["why"]) == ("AdminShutdownError", "terminating connection")


async def test_persisting_ends_with_the_fault_or_the_time(database_url: str) -> None:
    """Told until the database is back; a bug is told once; and not for ever."""
    tries: list[int] = []

    async def act() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise error
        connection = await asyncpg.connect(dsn(database_url))
        await connection.close()
        return len(tries)

    error: Exception = DatabaseUnavailable()
    assert await persist(act, for_s=60) == 2

    tries.clear()
    error = asyncpg.UniqueViolationError("duplicate key")
    with pytest.raises(asyncpg.UniqueViolationError):
        await persist(act, for_s=60)

    tries.clear()
    error = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        await persist(act, for_s=0)
    assert tries == [0]
