"""Whether a submit could run is tried over what a submit runs over."""

import io

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.tasks.ability import Unable
from tests.relay_app import fixture_relay


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE price_state RENAME TO state_of_before",
        "ALTER TABLE channels RENAME TO channels_of_before",
    ],
)
async def test_what_a_submit_reads_must_be_readable(database_url: str, statement: str) -> None:
    """Though the connection answers, and what was read before is still given to submits."""
    async with fixture_relay(database_url) as relay:
        before = await relay.client.get("/health/ready")
        await relay.rows(statement)
        answer = await relay.client.get("/health/ready")

    assert before.status_code == 200
    assert answer.status_code == 503
    assert "the database cannot be used" in answer.json()["why"]


async def test_keys_that_open_no_channel_are_not_ready(database_url: str) -> None:
    """Every submit would be refused; one channel that can be called is enough."""
    async with fixture_relay(database_url) as relay:
        await relay.add_channel()
        before = await relay.client.get("/health/ready")
        await relay.rows(
            "UPDATE channels SET api_key_sealed = replace(api_key_sealed, 'k1:', 'k0:'),"
            " secret_key_sealed = replace(secret_key_sealed, 'k1:', 'k0:')"
        )
        sealed = await relay.client.get("/health/ready")
        await relay.add_channel("other")
        after = await relay.client.get("/health/ready")

    assert (before.status_code, after.status_code) == (200, 200)
    assert sealed.json()["why"] == "RELAY_SECRET_KEY opens the keys of no channel"


async def test_a_database_that_takes_no_writes_is_not_ready(database_url: str) -> None:
    """A standby answers every question."""
    connection = await asyncpg.connect(dsn(database_url))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await connection.close()

    async with fixture_relay(database_url) as relay:
        answer = await relay.client.get("/health/ready")
        with pytest.raises(Unable):
            await relay.parts.ability.check()

    assert answer.status_code == 503
    assert "takes no writes" in answer.json()["why"]


@pytest.mark.parametrize(
    ("database", "why"),
    [
        ("- interval '10 minutes'", "600 s ahead of"),
        ("+ interval '30 seconds'", "30 s behind"),
        ("- interval '10 seconds'", None),
    ],
)
async def test_a_clock_that_differs_from_the_databases_is_not_ready(
    database_url: str, logged: io.StringIO, database: str, why: str | None
) -> None:
    """By more than 20 s, either way; it stands in the log too."""
    connection = await asyncpg.connect(dsn(database_url))
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        f" AS 'SELECT pg_catalog.clock_timestamp() {database.replace(chr(39), chr(39) * 2)}'"
    )
    await connection.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')
    await connection.close()

    async with fixture_relay(database_url) as relay:
        answer = await relay.client.get("/health/ready")

    assert answer.status_code == (200 if why is None else 503)
    if why is not None:
        assert f"the clock of this machine is {why} the database's" in answer.json()["why"]
        assert why in logged.getvalue()
