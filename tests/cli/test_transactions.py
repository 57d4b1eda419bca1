"""What a command reads and does, each in one transaction, and what the database may say to it."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.cli.database import Database
from relay.cli.failure import Failure
from relay.database.engine import dsn
from relay.desk.actor import Actor
from relay.desk.errors import Unusable
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings
from tests.cli.command import Command, execute

WRITE = text("INSERT INTO books (currency) VALUES ('CNY')")


@pytest.fixture
def database(database_url: str) -> Database:
    keys = KeyRing.parse(new_secret_key())
    return Database(Settings(), database_url, keys, is_embedded=False)


def books(database: Database) -> list[str]:
    async def read(session: AsyncSession) -> list[str]:
        return list(await session.scalars(text("SELECT currency FROM books")))

    return database.read(read)


def test_a_read_cannot_write(database: Database) -> None:
    """A sentence that says so, and nothing is written."""

    async def write(session: AsyncSession) -> None:
        await session.execute(WRITE)

    with pytest.raises(Failure, match="nothing was written: cannot execute INSERT in a read-only"):
        database.read(write)

    assert books(database) == []


def test_an_act_that_is_refused_leaves_nothing_of_what_it_wrote(database: Database) -> None:
    """The refusal comes after a write; the sentence is the desk's."""

    async def work(session: AsyncSession, _: Actor) -> None:
        await session.execute(WRITE)
        raise Unusable("it is too odd")

    with pytest.raises(Failure, match=r"^it is too odd; nothing was written$"):
        database.act(work)

    assert books(database) == []


def test_a_mistake_of_ours_is_no_sentence(database: Database) -> None:
    """A row that breaks a constraint is for a traceback, not for the operator to mend."""

    async def work(session: AsyncSession, _: Actor) -> None:
        await session.execute(text("INSERT INTO accounts (held_micros) VALUES (-1)"))

    with pytest.raises(Exception, match="held_not_negative") as raised:
        database.act(work)

    assert not isinstance(raised.value, Failure)


def test_a_database_that_takes_no_writes_is_a_sentence(relay: Command) -> None:
    """Such as a standby; lists are shown all the same."""
    relay("tenant", "add", "acme")
    execute(
        relay,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
        " default_transaction_read_only = on', current_database()); END $$",
    )

    message = relay.refused("tenant", "disable", "acme")

    assert "the database refused, nothing was written: cannot execute" in message
    assert [row["enabled"] for row in relay.json("tenant", "list")] == [True]


def test_a_command_that_somebody_is_in_the_way_of_says_try_again(relay: Command) -> None:
    """Exit code 1 while a session sits on the account; nothing was changed."""
    relay("tenant", "add", "acme", "--quota", "1")

    async def held() -> str:
        sitting = await asyncpg.connect(dsn(relay.environ["RELAY_DATABASE_URL"]))
        try:
            await sitting.execute("BEGIN")
            await sitting.execute("SELECT 1 FROM accounts FOR NO KEY UPDATE")
            return await asyncio.to_thread(
                relay.refused, "tenant", "adjust", "acme", "5", "--reason", "x"
            )
        finally:
            await sitting.close()

    message = asyncio.run(held())

    assert "somebody else is writing the same just now; nothing was changed: try again" in message
    assert relay.json("tenant", "list")[0]["quota_micros"] == 1_000_000
