"""The schema: built by the migrations alone, up, down and up again, by one process at a time."""

import asyncio
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection

from relay.database.engine import dsn, open_engine
from relay.database.migrate import current_revision, migrate, newest_revision
from relay.schema import metadata


@pytest.fixture
async def empty_url(database_url: str) -> str:
    """A database that was never migrated."""
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return database_url


async def objects_in(url: str) -> list[tuple[str, ...]]:
    """Every table with its columns, indexes, constraints, triggers, functions and sequences."""
    connection = await asyncpg.connect(dsn(url))
    rows: list[Any] = await connection.fetch(
        """
        SELECT 'column', table_name, column_name, data_type || coalesce(column_default, '')
            || is_nullable FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL
        SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL
        SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
            FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT 'function', proname, prosrc, '' FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT 'sequence', sequencename, '', '' FROM pg_sequences WHERE schemaname = 'public'
        ORDER BY 1, 2, 3, 4
        """
    )
    await connection.close()
    # The table that Alembic keeps its own place in stays for ever.
    return [tuple(row) for row in rows if "alembic_version" not in tuple(row)]


async def test_up_down_and_up_again_gives_the_same_schema(empty_url: str) -> None:
    """Down leaves nothing behind, and up does not mind that it was up before."""
    await migrate(empty_url)
    first = await objects_in(empty_url)

    await migrate(empty_url, revision="base")
    nothing = await objects_in(empty_url)
    revision_between = await current_revision(empty_url)
    await migrate(empty_url)

    assert nothing == []
    assert revision_between is None
    assert await objects_in(empty_url) == first
    assert len(first) > 100
    assert await current_revision(empty_url) == newest_revision()


async def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    """The deployment's prefix stays: what Kling knows our tasks by must never change."""
    await migrate(empty_url)
    connection = await asyncpg.connect(dsn(empty_url))
    before = await connection.fetchval("SELECT external_prefix FROM deployment")

    await migrate(empty_url)

    assert await connection.fetchval("SELECT external_prefix FROM deployment") == before
    assert await connection.fetchval("SELECT count(*) FROM deployment") == 1
    await connection.close()


async def test_processes_that_migrate_at_once_take_turns(empty_url: str) -> None:
    """Five at a time on an empty database: none fails, and the schema is whole."""
    await asyncio.gather(*(migrate(empty_url) for _ in range(5)))

    assert await current_revision(empty_url) == newest_revision()
    connection = await asyncpg.connect(dsn(empty_url))
    assert await connection.fetchval("SELECT count(*) FROM deployment") == 1
    locks = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await connection.close()
    assert locks == 0


async def test_a_database_that_was_never_migrated_has_no_revision(empty_url: str) -> None:
    """None, so that `serve` can say what is missing."""
    assert await current_revision(empty_url) is None


# Postgres spells a computed column's expression in its own words, which Alembic cannot compare.
@pytest.mark.filterwarnings("ignore:Computed default")
async def test_the_models_are_what_the_migrations_build(database_url: str) -> None:
    """Alembic finds nothing to add, change or remove."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_server_default": True, "compare_type": True}
        )
        return list(compare_metadata(context, metadata))

    engine = open_engine(database_url, connections=1)
    async with engine.connect() as connection:
        differences = await connection.run_sync(compare)
    await engine.dispose()

    # Postgres is asked whether both defaults give the same value; of a random one it says no.
    assert [found for found in differences if "webhook_id" not in str(found)] == []


async def test_check_constraints_are_those_of_the_models(database_url: str) -> None:
    """Alembic does not compare them, and they are what stands under every money rule."""
    connection = await asyncpg.connect(dsn(database_url))
    rows = await connection.fetch(
        "SELECT conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'public'::regnamespace"
    )
    await connection.close()

    expected = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    built = {row["conname"] for row in rows}
    assert built == expected
    assert len(built) > 15
