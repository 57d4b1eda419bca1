"""What connections know of arrays, which asyncpg would ask the server about."""

from typing import Any

import pytest
from sqlalchemy import text

from relay.database.arrays import ARRAYS
from relay.database.engine import open_engine
from relay.database.opener import Opener

NUMBERS = "SELECT typname, typarray, oid, typdelim FROM pg_type WHERE typname = ANY($1::text[])"
OF_EACH = "SELECT " + ", ".join(f"ARRAY[NULL]::{name}[]" for name in ARRAYS)


async def test_numbers_are_those_of_postgres(database_url: str) -> None:
    """Each type, its array, and the comma between its elements."""
    connection = await Opener(database_url).open(statement_timeout_s=10)
    rows = await connection.fetch(NUMBERS, list(ARRAYS))
    await connection.close()

    assert {row[:3] for row in rows} == {(name, *numbers) for name, numbers in ARRAYS.items()}
    assert {row["typdelim"] for row in rows} == {b","}


async def test_no_connection_asks_what_an_array_is(database_url: str) -> None:
    """Neither one of a pool, with what it reads back, nor one of the engine."""
    asked: list[str] = []
    pooled: Any = await Opener(database_url).open(statement_timeout_s=10)
    with pooled.query_logger(lambda one: asked.append(one.query)):
        assert await pooled.fetchrow(OF_EACH) == tuple([None] for _ in ARRAYS)
    await pooled.close()
    engine = open_engine(database_url)
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        with driver.query_logger(lambda one: asked.append(one.query)):
            row = (await connection.execute(text(OF_EACH))).one()
            assert tuple(row) == tuple([None] for _ in ARRAYS)
    await engine.dispose()

    assert [query for query in asked if "typeinfo" in query] == []


@pytest.mark.parametrize("value", [[1, 2**62], []])
async def test_values_go_there_and_back(database_url: str, value: list[int]) -> None:
    """In the binary format, as without us."""
    connection = await Opener(database_url).open(statement_timeout_s=10)
    assert await connection.fetchval("SELECT $1::int8[]", value) == value
    assert await connection.fetchval("SELECT $1::text[]", ['a"{', None]) == ['a"{', None]
    await connection.close()
