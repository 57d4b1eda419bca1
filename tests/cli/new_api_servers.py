"""A new-api's database on a Postgres and on a MariaDB of the tests' own."""

import asyncio
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pymysql
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from tests.clones import execute
from tests.new_api.installations import statements
from tests.waiting import PATIENCE_S, block_until

PATH = f"{os.environ.get('PATH')}:/usr/sbin"
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Fill = Callable[[int, Rows], str]


@contextmanager
def postgres_places(server: EmbeddedPostgres) -> Iterator[Fill]:
    """Make databases that have nothing but new-api's tables; each call returns a URL."""
    names: list[str] = []

    async def fill(name: str, version: int, rows: Rows) -> None:
        await execute(server, f"CREATE DATABASE {name}")
        connection = await asyncpg.connect(dsn(server.url(name)))
        try:
            await connection.execute(";".join(statements("postgresql", version, rows)))
        finally:
            await connection.close()

    def filled(version: int, rows: Rows) -> str:
        names.append(f"new_api_{secrets.token_hex(4)}")
        asyncio.run(fill(names[-1], version, rows))
        return server.url(names[-1])

    yield filled
    for name in names:
        asyncio.run(execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@contextmanager
def mariadb_places() -> Iterator[Fill]:
    """Run a MariaDB as Debian has it, on a socket; each call returns what SQL_DSN would be."""
    daemon, install = shutil.which("mariadbd", path=PATH), shutil.which("mariadb-install-db")
    if daemon is None or install is None:
        pytest.skip("there is no mariadbd: apt-get install mariadb-server")
    top = Path(tempfile.mkdtemp(prefix="kling-relay-mariadb-"))
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(top, user)
    socket, data = top / "s", top / "data"
    with (top / "log").open("wb") as log:
        places = [f"--datadir={data}", f"--user={user}"]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(
            [install, "--no-defaults", *places, *options], check=True, stdout=log, stderr=log
        )
        places += [f"--socket={socket}", f"--pid-file={top / 'pid'}", "--skip-networking"]
        process = subprocess.Popen([daemon, "--no-defaults", *places], stdout=log, stderr=log)
        try:
            block_until(lambda: _answers(socket, process))
            yield lambda version, rows: _fill(socket, version, rows)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
            shutil.rmtree(top, ignore_errors=True)


def _answers(socket: Path, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "mariadbd ended"
    if not socket.exists():
        return False
    connection = pymysql.connect(unix_socket=str(socket), user="root", defer_connect=True)
    try:
        connection.connect()
    except pymysql.OperationalError:
        return False
    finally:
        if connection.open:
            connection.close()
    return True


def _fill(socket: Path, version: int, rows: Rows) -> str:
    connection = pymysql.connect(unix_socket=str(socket), user="root", charset="utf8mb4")
    name = f"newapi{version}"
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        cursor.execute(
            f"GRANT SELECT ON {name}.* TO 'reader'@'localhost' IDENTIFIED BY 'source-password@:/'"
        )
        cursor.execute(f"USE {name}")
        for statement in statements("mysql", version, rows):
            cursor.execute(statement)
        connection.commit()
    return f"reader:source-password@:/@unix({socket})/{name}?charset=utf8mb4"
