"""Which errors are the database's own: away, starting, full, or changing places with another.

They say nothing of the request that met them, which may be asked again: it is answered 503/5001,
and told in the log by one line. All other errors of a statement are bugs of ours.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from relay.database.batch import RowBlocked
from relay.database.line import DatabaseUnavailable

_FAULTY = (
    DatabaseUnavailable,
    RowBlocked,
    OSError,  # with TimeoutError
    PoolTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_CLASSES = frozenset({"08", "28", "3D", "40", "53", "55", "57", "58", "XX"})
"""Of SQLSTATE: connection, authorization, no such database, rollback by a conflict, resources, not
in the state for it, an operator's intervention, the system, internal."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 1.0

Result = TypeVar("Result")
_STATES = frozenset({"25006", "25P03", "26000"})
"""Read only, as a primary that became a standby; idle too long; a pooler lost what was prepared."""
_OF_A_TEXT = frozenset({"22021", "22P05"})
"""As a text, and in JSON."""

PERSIST_S = 8.0
"""How long what became of a submit is told to a database that is away, while its tenant waits."""


def is_fault(error: BaseException) -> bool:
    """Tell whether it is the database's, however it is wrapped."""
    root = _root_of(error)
    if isinstance(root, ValueError):  # asyncpg's DataError is an InterfaceError too
        return False
    if isinstance(root, asyncpg.PostgresError):
        state: str = root.sqlstate or ""
        return state[:2] in _CLASSES or state in _STATES
    return isinstance(root, _FAULTY)


def is_of_a_text(error: BaseException) -> bool:
    """Tell whether a value was refused since no text of the database's can have what it has: NUL.

    Nothing of its transaction is written.
    """
    root = _root_of(error)
    return isinstance(root, asyncpg.PostgresError) and root.sqlstate in _OF_A_TEXT


def log_failure(log: Any, event: str, error: BaseException, **fields: object) -> None:
    """Tell of a failure: in one line if it is the database's, else with its traceback.

    SQLAlchemy's own texts hold the statement's values; what is told is the driver's first line.
    """
    if is_fault(error):
        root = _root_of(error)
        if isinstance(root, DatabaseUnavailable | RowBlocked):
            root = root.__cause__ or root
        why = str(root).partition("\n")[0]
        log.error(event, error=type(root).__name__, why=why, **fields)
    else:
        log.error(event, exc_info=error, **fields)


async def persist(act: Callable[[], Awaitable[Result]], *, for_s: float) -> Result:
    """Do what may be done twice, again and again until the database takes it or `for_s` are over.

    Raises:
        Exception: what the last try raised; or at once what is no fault of the database's.
    """
    deadline, pause_s = time.monotonic() + for_s, PAUSE_MIN_S
    while True:
        try:
            return await act()
        except Exception as error:
            if not is_fault(error) or time.monotonic() + pause_s > deadline:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, PAUSE_MAX_S)


def _root_of(error: BaseException) -> BaseException:
    """Take off what SQLAlchemy puts around the driver's errors."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def end_if_cancelled(error: Exception) -> None:
    """Go on with a cancellation whose place another error took; for whoever goes on after errors.

    A statement that is cancelled is rolled back, and a database that is gone fails that: what comes
    out is that failure. A loop that takes it for one of its turns would never end.

    Raises:
        CancelledError: the task was told to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error
