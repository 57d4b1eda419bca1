"""Bringing a database back from a backup, in one transaction: all of it, or nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.places import Place
from relay.backups.script import TIMEOUT_S, run_script
from relay.backups.sealed_file import Header, unseal
from relay.database.engine import open_engine, open_sessions
from relay.database.migrate import ADVISORY_LOCK, migrate_in, newest_revision
from relay.secrets import KeyRing

LOCK_TIMEOUT_S = 5
SEEDED = frozenset(
    (
        *("alembic_version", "schema_floor", "deployment", "token_changes", "price_lists"),
        *("secret_keys", "addresses_forgotten", "price_state"),
    )
)
"""Tables with rows that migrations and any command leave there: a database with no others is as if
it were empty."""
TABLES = """
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') ORDER BY relname
"""
ASIDE = "SELECT 'before_restore_' || to_char(clock_timestamp(), 'YYYYMMDD_HH24MISS')"

OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'a client') || ' of ' || usename
    || coalesce(' from ' || host(client_addr), '') AS who, count(*) AS connections
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
GROUP BY who ORDER BY who
"""
SHOWN_MAX = 5


class RestoreRefused(Exception):
    """The database is not one to restore into; the message says why, and nothing was changed."""


class Restored(msgspec.Struct, frozen=True):
    """What was brought back."""

    header: Header
    set_aside: str | None
    """The schema in which what was there before is now; None where nothing was."""


async def restore(
    url: str,
    place: Place,
    header: Header,
    keys: KeyRing,
    *,
    replaces: bool = False,
    then: Callable[[AsyncSession], Awaitable[None]] | None = None,
) -> Restored:
    """Bring back a backup into an empty database, at this version's schema.

    `then` is done at the end of the same transaction.

    `replaces`: what is in it is set aside, in a schema of its own, and nothing of it deleted; while
    nobody else is connected, since a process that runs would go on with what it remembers.

    Raises:
        RestoreRefused, BackupUnusable, PlaceFailed, asyncpg.PostgresError
    """
    assert place.name is not None, "of several the caller has chosen one"
    newest = newest_revision()
    if header.revision > newest and (header.oldest_code is None or header.oldest_code > newest):
        raise RestoreRefused(
            f"the backup is of revision {header.revision}, newer than {newest}, the newest that"
            " this version of the relay knows: update the relay"
        )
    engine = open_engine(url, connections=1, statement_timeout_s=TIMEOUT_S)
    try:
        async with open_sessions(engine).begin() as session:
            aside = await _make_room(session, header, replaces=replaces)
            raw = await (await session.connection()).get_raw_connection()
            connection: Any = raw.driver_connection
            await run_script(connection, unseal(place.folder.get(place.name), keys))
            await session.execute(text(f"SET search_path TO {_quoted(header.schema)}"))
            if header.revision < newest:
                await migrate_in(session)
            if then is not None:
                await then(session)
        return Restored(header, aside)
    finally:
        await engine.dispose()


async def _make_room(session: AsyncSession, header: Header, *, replaces: bool) -> str | None:
    """Leave an empty schema; return where what was in it is now."""
    for setting in ("statement_timeout = 0", "idle_in_transaction_session_timeout = 0"):
        await session.execute(text(f"SET LOCAL {setting}"))
    await session.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
    await session.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
    schema = await session.scalar(text("SELECT current_schema()"))
    if schema != header.schema:
        raise RestoreRefused(
            f"the backup is of the schema '{header.schema}', and this database's search_path begins"
            f" with '{schema}': set it with ALTER ROLE … SET search_path"
        )
    tables = list(await session.scalars(text(TABLES), {"schema": schema}))
    if not tables:
        return None
    used = [table for table in tables if table not in SEEDED and await _has_rows(session, table)]
    if used and not replaces:
        raise RestoreRefused(
            f"the database is not empty: there are rows in {', '.join(used[:SHOWN_MAX])}. Name an"
            " empty one, or say --replace: it sets aside what is there, and deletes nothing"
        )
    await refuse_others(session)
    if "pauses" in tables:
        # Who connects from now on waits here, and then finds the pause that was restored.
        await session.execute(text("LOCK TABLE pauses IN ACCESS EXCLUSIVE MODE"))
    aside = await session.scalar(text(ASIDE))
    assert isinstance(aside, str), "to_char of a moment"
    await session.execute(text(f"ALTER SCHEMA {_quoted(schema)} RENAME TO {aside}"))
    await session.execute(text(f"CREATE SCHEMA {_quoted(schema)}"))
    return aside


async def refuse_others(session: AsyncSession) -> None:
    """Refuse to go on while a process uses the database: it would go on with what it remembers.

    Raises:
        RestoreRefused
    """
    others = (await session.execute(text(OTHERS))).all()
    if others:
        shown = ", ".join(f"{one.connections} by {one.who}" for one in others[:SHOWN_MAX])
        raise RestoreRefused(
            f"others are connected ({shown}): stop every `relay serve` and `relay worker` first,"
            " and whatever else uses this database"
        )


async def _has_rows(session: AsyncSession, table: str) -> bool:
    return bool(await session.scalar(text(f"SELECT EXISTS (SELECT FROM {_quoted(table)})")))  # noqa: S608 (of pg_class, quoted)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
