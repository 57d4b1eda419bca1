"""A real PgBouncer before the tests' Postgres, where this machine has one."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.waiting import PATIENCE_S, wait_until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="there is no PgBouncer here")


@contextmanager
def pgbouncer(server: EmbeddedPostgres, mode: str, *, more: str = "") -> Iterator[int]:
    """Run one as the user that Postgres lets in by its socket; yields its port.

    `more`: lines of its configuration.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    directory = Path(server.socket_dir)
    owner = directory.stat().st_uid
    config = directory / f"pgbouncer-{port}.ini"
    config.write_text(
        f"[databases]\n* = host={server.socket_dir} port={server.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\nlogfile = {config}.log\n{more}"
    )
    os.chown(config, owner, -1)
    process = subprocess.Popen([str(PGBOUNCER), "-q", config], user=owner)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


async def through(port: int, url: str = "postgresql:///postgres") -> str:
    """Name a database by its pooler, once that answers."""
    pooled = f"postgresql://postgres@127.0.0.1:{port}{urlsplit(url).path}"
    await wait_until(lambda: answers(pooled))
    return pooled


async def answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError):
        await asyncio.sleep(0)
        return False
    await connection.close()
    return True
