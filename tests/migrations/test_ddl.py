"""What is said of a migration's statements, held against what Postgres does with them."""

from collections.abc import Iterable
from typing import Any

import asyncpg
import pytest

from relay.database.ddl import DdlReader, Effect, Lock, Work
from relay.database.engine import open_engine, open_sessions
from relay.database.pending import pending_migrations
from relay.database.plan import read_known

LOCKS = """
SELECT relname, mode FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
FILES = "SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r' AND relname = 'things'"
FUNCTION = "suppress_redundant_updates_trigger()"
OTHERS = (
    "ALTER TABLE things ADD COLUMN a TEXT",
    "ALTER TABLE things ADD COLUMN a TIMESTAMP DEFAULT now() NOT NULL",
    "ALTER TABLE things ADD COLUMN a UUID DEFAULT gen_random_uuid()",
    "ALTER TABLE things ADD COLUMN a BIGINT GENERATED ALWAYS AS (size * 2) STORED",
    "ALTER TABLE things ADD CONSTRAINT few CHECK (size < 9)",
    "ALTER TABLE things ADD CONSTRAINT few CHECK (size < 9) NOT VALID",
    "ALTER TABLE things ADD CONSTRAINT things_of_fkey FOREIGN KEY(of) REFERENCES owners (id)",
    "ALTER TABLE things ADD CONSTRAINT one UNIQUE (size)",
    "ALTER TABLE things VALIDATE CONSTRAINT thin",
    "ALTER TABLE things DROP CONSTRAINT thin",
    "ALTER TABLE things DROP CONSTRAINT things_by_fkey",
    "ALTER TABLE things DROP COLUMN name",
    "ALTER TABLE things ALTER COLUMN size TYPE BIGINT",
    "ALTER TABLE things ALTER COLUMN size SET NOT NULL",
    "ALTER TABLE things ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE things ALTER COLUMN size SET DEFAULT 3",
    "ALTER TABLE things RENAME COLUMN size TO width",
    "ALTER TABLE things RENAME TO stuff",
    "ALTER TABLE things SET (fillfactor = 50)",
    "CREATE INDEX i ON things (size)",
    "CREATE UNIQUE INDEX i ON things (size)",
    "DROP INDEX things_name",
    f"CREATE TRIGGER t BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION {FUNCTION}",
    "DROP TRIGGER redundant ON things",
    "DROP TABLE things",
    "CREATE TABLE more (id BIGINT, of BIGINT REFERENCES things (id))",
    "INSERT INTO things (id, name) VALUES (1, 'a')",
    "UPDATE things SET size = 1 WHERE id = 1",
    "DELETE FROM things WHERE id = 1",
)
MAKE = """
CREATE TABLE owners (id BIGINT PRIMARY KEY);
CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL, size INT, of BIGINT,
    by BIGINT CONSTRAINT things_by_fkey REFERENCES owners, CONSTRAINT thin CHECK (size < 99));
CREATE INDEX things_name ON things (name);
CREATE TRIGGER redundant BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION
    suppress_redundant_updates_trigger()
"""


def strongest(effects: Iterable[Effect]) -> dict[str, Lock]:
    found: dict[str, Lock] = {}
    for effect in effects:
        found[effect.table] = max(effect.lock, found.get(effect.table, effect.lock))
    return found


async def taken(connection: Any, tables: set[str]) -> dict[str, Lock]:
    """The strongest lock that this transaction has of each table of before, but for reads."""
    found: dict[str, Lock] = {}
    modes = {lock.title.title().replace(" ", "") + "Lock": lock for lock in Lock}
    for name, mode in await connection.fetch(LOCKS):
        if mode in modes and name in tables:
            found[name] = max(modes[mode], found.get(name, modes[mode]))
    return found


@pytest.fixture
async def empty(database_url: str) -> Any:
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield connection
    await connection.close()


async def test_each_migration_locks_what_is_said_of_it(empty: Any) -> None:
    """All of them, run statement by statement: the locks at the end are those that were foretold.

    Of a row's change alone nothing is compared: who reads for a foreign key locks rows too.
    """
    reader = DdlReader(indexes={}, references={})
    seen = 0
    for migration in pending_migrations(None):
        tables = {
            name
            for (name,) in await empty.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
            )
        }
        effects = reader.read_migration(migration.statements)
        transaction = empty.transaction()
        await transaction.start()
        for statement in migration.statements[1:-1]:
            if statement.startswith("--"):
                continue
            await empty.execute(statement)
        found = await taken(empty, tables - {"schema_floor"})
        await transaction.commit()

        foretold = {
            table: lock for table, lock in strongest(effects).items() if lock > Lock.ROW_EXCLUSIVE
        }
        found = {table: lock for table, lock in found.items() if lock > Lock.ROW_EXCLUSIVE}
        assert found == foretold, migration.revision
        assert all(effect.work is not Work.UNKNOWN for effect in effects), migration.revision
        seen += len(found)
    assert seen > 15


async def test_each_kind_of_statement_is_read_right(empty: Any, database_url: str) -> None:
    """Its locks, and whether it writes the table anew, as Postgres shows both in a transaction."""
    await empty.execute(MAKE)
    engine = open_engine(database_url, connections=1)
    async with open_sessions(engine).begin() as session:
        known = await read_known(session)
    await engine.dispose()

    for statement in OTHERS:
        reader = DdlReader(indexes=known.indexes, references=known.references)
        effects = reader.read_migration([statement])
        before = await empty.fetch(FILES)
        transaction = empty.transaction()
        await transaction.start()
        await empty.execute(statement)
        found = await taken(empty, {"things", "owners"})
        is_rewritten = bool(await empty.fetch(FILES)) and before != await empty.fetch(FILES)
        is_there = await empty.fetchval("SELECT to_regclass('things') IS NOT NULL")
        await transaction.rollback()

        foretold = strongest(effects)
        if not is_there:
            del foretold["things"]  # which has no name any more
        assert found == foretold, statement
        assert is_rewritten == any(effect.work is Work.REWRITE for effect in effects), statement
        assert all(effect.work is not Work.UNKNOWN for effect in effects), statement


def test_what_is_not_understood_is_taken_for_the_worst() -> None:
    """Of several changes in one statement the table is known, and no more."""
    reader = DdlReader(indexes={}, references={})

    several, strange = reader.read_migration(
        ["ALTER TABLE things ADD COLUMN a TEXT, DROP COLUMN b", "CLUSTER things"]
    )

    assert (several.table, several.lock, several.work) == (
        "things",
        Lock.ACCESS_EXCLUSIVE,
        Work.UNKNOWN,
    )
    assert (strange.lock, strange.work, strange.is_additive) == (
        Lock.ACCESS_EXCLUSIVE,
        Work.UNKNOWN,
        False,
    )
