"""What stands before Postgres is told apart, by real PgBouncers where this machine has one."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from relay.cli.failure import WrongSettings
from relay.cli.revision import refuse_transaction_pooler
from relay.database.embedded import EmbeddedPostgres
from relay.database.line import connector
from relay.database.opener import SettingsDropped
from relay.database.pooler import Pooler, find_pooler
from tests.waiting import PATIENCE_S, wait_until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH')}:/usr/sbin")


SET_BY_LINES = "lock_timeout,synchronous_commit,enable_seqscan,plan_cache_mode,jit"


async def test_postgres_itself_is_no_pooler(database_url: str) -> None:
    """Its clients know the number of the process that serves them."""
    assert await find_pooler(database_url) is Pooler.NONE


@pytest.mark.skipif(PGBOUNCER is None, reason="there is no PgBouncer here")
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_is_known_by_its_mode(postgres_server: EmbeddedPostgres, mode: str) -> None:
    """In transaction mode a second client gets what the first one just had."""
    with pgbouncer(postgres_server, mode) as url:
        await wait_until(lambda: answers(url))

        assert await find_pooler(url) is Pooler(mode)


@pytest.mark.skipif(PGBOUNCER is None, reason="there is no PgBouncer here")
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
    with pgbouncer(postgres_server, "session", more=more) as url:
        await wait_until(lambda: answers(url))

        with pytest.raises(SettingsDropped, match="lock_timeout"):
            await connector(url)(durable=True)


@pytest.mark.skipif(PGBOUNCER is None, reason="there is no PgBouncer here")
async def test_no_process_starts_on_a_pooler_in_transaction_mode(
    postgres_server: EmbeddedPostgres,
) -> None:
    """One sentence and exit code 2."""
    with pgbouncer(postgres_server, "transaction") as url:
        await wait_until(lambda: answers(url))

        with pytest.raises(WrongSettings, match="a pooler in transaction mode"):
            await asyncio.to_thread(refuse_transaction_pooler, url)


@contextmanager
def pgbouncer(server: EmbeddedPostgres, mode: str, *, more: str = "") -> Iterator[str]:
    """Run one as the user that Postgres lets in by its socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    directory = Path(server.socket_dir)
    owner = directory.stat().st_uid
    config = directory / f"pgbouncer-{mode}.ini"
    config.write_text(
        f"[databases]\npostgres = host={server.socket_dir} port={server.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\nlogfile = {config}.log\n{more}"
    )
    os.chown(config, owner, -1)
    process = subprocess.Popen([str(PGBOUNCER), "-q", config], user=owner)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


async def answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError):
        await asyncio.sleep(0)
        return False
    await connection.close()
    return True
