"""Run by Alembic, on the connection that `relay.database.migrate` passes or a configured one."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from relay.database.engine import open_engine
from relay.database.floor import floor_keeper
from relay.schema import metadata


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        transaction_per_migration=True,
        on_version_apply=floor_keeper(context.script),
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_configured_database() -> None:
    engine = open_engine(os.environ["RELAY_DATABASE_URL"])
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(migrate_configured_database())
