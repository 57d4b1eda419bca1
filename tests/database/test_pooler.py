"""What stands before Postgres is told apart, by real PgBouncers where this machine has one."""

import asyncio

import pytest

from relay.cli.failure import WrongSettings
from relay.cli.revision import refuse_transaction_pooler
from relay.database.embedded import EmbeddedPostgres
from relay.database.line import connector
from relay.database.opener import SettingsDropped
from relay.database.pooler import Pooler, find_pooler
from relay.secrets import new_secret_key
from tests.cli.command import Command
from tests.database.pgbouncer import needs_pgbouncer, pgbouncer, through

SET_BY_LINES = "lock_timeout,synchronous_commit,enable_seqscan,plan_cache_mode,jit"


async def test_postgres_itself_is_no_pooler(database_url: str) -> None:
    """Its clients know the number of the process that serves them."""
    assert await find_pooler(database_url) is Pooler.NONE


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_is_known_by_its_mode(postgres_server: EmbeddedPostgres, mode: str) -> None:
    """In transaction mode a second client gets what the first one just had."""
    with pgbouncer(postgres_server, mode) as port:
        url = await through(port)

        assert await find_pooler(url) is Pooler(mode)


@needs_pgbouncer
@pytest.mark.parametrize(
    "more",
    [
        "",
        f"ignore_startup_parameters = {SET_BY_LINES}\n",
    ],
    ids=["refuses", "drops"],
)
async def test_a_pooler_that_loses_settings_is_not_used(
    postgres_server: EmbeddedPostgres, more: str
) -> None:
    """Unlisted ones are refused, listed ones silently dropped: `lock_timeout` would be none."""
    with pgbouncer(postgres_server, "session", more=more) as port:
        url = await through(port)

        with pytest.raises(SettingsDropped, match="lock_timeout"):
            await connector(url)(durable=True)


@needs_pgbouncer
async def test_no_process_starts_on_a_pooler_in_transaction_mode(
    postgres_server: EmbeddedPostgres,
) -> None:
    """One sentence and exit code 2; `relay check` asks no further."""
    with pgbouncer(postgres_server, "transaction") as port:
        url = await through(port)

        with pytest.raises(WrongSettings, match="a pooler in transaction mode"):
            await asyncio.to_thread(refuse_transaction_pooler, url)
        relay = Command({"RELAY_DATABASE_URL": url, "RELAY_SECRET_KEY": new_secret_key()})
        findings = (await asyncio.to_thread(relay.json, "check", code=1))["findings"]

    levels = {one["subject"]: one["level"] for one in findings}
    assert (levels["pooler"], levels["secret key"]) == ("bad", "warning"), "it was not asked"
    assert "database" not in levels
