"""What a database begins with and what it keeps: 0118, which writes down Kling's list."""

from typing import Any

import asyncpg
import msgspec
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from relay.database.engine import open_engine, open_sessions
from relay.database.migrate import configured, migrate
from relay.pricing.book import PriceRow
from relay.pricing.lists import read_adopted
from relay.pricing.official import LIST, OFFICIAL

USED = "INSERT INTO accounts DEFAULT VALUES; INSERT INTO tenants (name, account_id)"
USED += " SELECT 'acme', id FROM accounts"


def migration() -> Any:
    step = ScriptDirectory.from_config(configured()).get_revision("0118")
    assert step is not None
    return step.module


def test_what_is_kept_is_what_was_sold_by() -> None:
    """The list of 2026-09-20 as the versions before had it: the file beside the migration stays."""
    kept = msgspec.json.decode(migration().KEPT_ROWS.read_bytes(), type=tuple[PriceRow, ...])

    assert len(kept) == 164
    assert migration().KEPT == "2026-09-20"
    assert LIST != migration().KEPT or kept == OFFICIAL


@pytest.mark.parametrize("is_used", [False, True])
async def test_an_install_keeps_its_list_and_a_new_one_takes_the_newest(
    database_url: str, *, is_used: bool
) -> None:
    """Of two lists that differ, in the migration's own statement; and both migrated for real."""
    module = migration()
    values = {"kept": "old", "kept_rows": "[]", "newest": "new", "newest_rows": "[]"}
    await migrate(database_url, revision="0117")
    connection = await asyncpg.connect(database_url)
    if is_used:
        await connection.execute(USED)
    await connection.close()

    await migrate(database_url)
    engine = open_engine(database_url, connections=1)
    async with open_sessions(engine).begin() as session:
        adopted = await read_adopted(session)
        await session.execute(text(module.BEGIN.text), values)
        begun = await session.scalar(text("SELECT name FROM price_lists ORDER BY id DESC LIMIT 1"))
    await engine.dispose()

    assert adopted.name == (module.KEPT if is_used else LIST)
    assert begun == ("old" if is_used else "new")
