"""Bring a database to this version's schema, or say how far behind it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import open_engine

_PACKAGE = Path(__file__).parents[1]
ADVISORY_LOCK = 0x6B6C696E67  # "kling": two processes that migrate at once take turns


def configured(connection: Connection | None = None) -> Config:
    """Tell Alembic where the migrations are, and on which connection they are to run."""
    installed = _PACKAGE / "migrations"  # where the wheel puts them
    config = Config()
    config.set_main_option(
        "script_location",
        str(installed if installed.is_dir() else _PACKAGE.parent / "migrations"),
    )
    config.attributes["connection"] = connection
    return config


def newest_revision() -> str:
    head = ScriptDirectory.from_config(configured()).get_current_head()
    assert head is not None, "there is at least one migration"
    return head


async def current_revision(url: str) -> str | None:
    """Ask which revision the database is at; None if it was never migrated."""
    engine = open_engine(url, connections=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
    finally:
        await engine.dispose()


async def migrate(url: str, *, revision: str = "head") -> None:
    """Upgrade (or, given an older revision, downgrade) the database, one process at a time."""
    engine = open_engine(url, connections=1)

    def run(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        connection.commit()
        try:
            _move(connection, revision)
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")
            connection.commit()

    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def migrate_in(session: AsyncSession) -> None:
    """Upgrade the database in the transaction that is open there, all of it or nothing.

    For one that nobody else uses: what a migration locks stays locked until the commit.
    """

    def upgrade(connection: Connection) -> None:
        command.upgrade(configured(connection), "head")

    await (await session.connection()).run_sync(upgrade)


def _move(connection: Connection, revision: str) -> None:
    config = configured(connection)
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    target = script.get_current_head() if revision == "head" else revision
    is_newer = current is None or (
        target not in (None, "base")
        and current in {step.revision for step in script.iterate_revisions(target, "base")}
    )
    (command.upgrade if is_newer else command.downgrade)(config, revision)
    connection.commit()
