"""Which code may run on a schema: what migrations say of it, and what the database keeps."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from relay.database.ddl import DdlReader
from relay.database.engine import open_engine
from relay.database.floor import SINCE
from relay.database.migrate import migrate, newest_revision
from relay.database.pending import Pending, pending_migrations

BEFORE = str(int(SINCE) - 1).zfill(len(SINCE))


READ = "SELECT oldest_code FROM schema_floor"
LATER = """
revision = "{revision}"
down_revision = "{before}"
{said}
def upgrade(): pass
def downgrade(): pass
"""


def said_since() -> list[str]:
    return [one.oldest_code for one in pending_migrations(BEFORE) if one.oldest_code]


def made_later(directory: Path, marks: dict[str, str | None]) -> Path:
    """Copy the migrations, and add some that do nothing, with what they say."""
    location = directory / "migrations"
    shutil.copytree(Path(__file__).parents[2] / "migrations", location)
    before = newest_revision()
    for revision, mark in marks.items():
        said = "" if mark is None else f'oldest_code = "{mark}"'
        text = LATER.format(revision=revision, before=before, said=said)
        (location / "versions" / f"{revision}_later.py").write_text(text)
        before = revision
    return location


def move(location: Path, url: str, revision: str) -> None:
    """Migrate by the files of a directory, up or down."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(location))
        config.attributes["connection"] = connection
        current = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        go = command.upgrade if revision > str(current) else command.downgrade
        go(config, revision)
        connection.commit()

    async def moved() -> None:
        engine = open_engine(url, connections=1)
        async with engine.connect() as connection:
            await connection.run_sync(run)
        await engine.dispose()

    asyncio.run(moved())


def undeclared(pending: Sequence[Pending]) -> list[str]:
    """What could disturb code of before, in migrations that do not say which code was looked at."""
    reader = DdlReader(indexes={}, references={})
    return [
        f"{one.revision}: {effect.table}: {effect.what}"
        for one in pending
        for effect in reader.read_migration(one.statements)
        if not effect.is_additive and one.oldest_code is None
    ]


def test_each_migration_only_adds_or_says_which_code_it_lets_run() -> None:
    """See migrations/README.md: `oldest_code` in the file, once that code was looked at."""
    assert undeclared(pending_migrations(SINCE)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE tasks DROP COLUMN flag",
        "ALTER TABLE tasks RENAME COLUMN flag TO mark",
        "ALTER TABLE tasks ADD COLUMN size INTEGER NOT NULL",
        "ALTER TABLE tasks ADD CONSTRAINT one CHECK (size = 1)",
        "ALTER TABLE tasks ALTER COLUMN size TYPE BIGINT",
        "CREATE UNIQUE INDEX tasks_size ON tasks (size)",
        "DROP INDEX tasks_size",
        "DROP TABLE tasks",
        "UPDATE tasks SET size = 1",
        "TRUNCATE tasks",
    ],
)
def test_one_that_could_disturb_older_code_must_say_so(statement: str) -> None:
    """Each is refused without the constant, and taken with it; additions need none."""
    statements = ["ALTER TABLE tasks ADD COLUMN note TEXT", "CREATE TABLE new (id BIGINT)"]

    without = undeclared([Pending("0999", "", None, [*statements, statement])])
    with_it = undeclared([Pending("0999", "", "0116", [*statements, statement])])
    additions = undeclared([Pending("0999", "", None, statements)])

    assert len(without) == 1
    assert with_it == additions == []


async def test_the_database_keeps_the_highest_and_forgets_it_on_the_way_back(
    database_url: str, tmp_path: Path
) -> None:
    """Of migrations of a later version: each step writes what its file says, both ways."""
    newest = newest_revision()
    location = made_later(tmp_path, {"9001": None, "9002": "9001", "9003": newest, "9004": None})
    connection = await asyncpg.connect(database_url)
    before = await connection.fetchval(READ)

    found = []
    for revision in ("9001", "9002", "9003", "9004", "9001", newest):
        await asyncio.to_thread(move, location, database_url, revision)
        found.append(await connection.fetchval(READ))
    await connection.close()

    assert before == max([SINCE, *said_since()])
    assert found == [before, "9001", "9001", "9001", before, before]


async def test_without_the_row_there_is_nothing_to_keep(database_url: str) -> None:
    """Before the revision that made it, and again after it."""
    connection = await asyncpg.connect(database_url)
    await migrate(database_url, revision=BEFORE)
    table = await connection.fetchval("SELECT to_regclass('schema_floor')")
    await migrate(database_url)
    again = await connection.fetchval(READ)
    await connection.close()

    assert table is None
    assert again == max([SINCE, *said_since()])
