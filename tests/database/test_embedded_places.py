"""Where the embedded server may live and as whom it may run, and what it says where it may not."""

import asyncio
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from relay.database.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    default_data_dir,
    embedded_postgres,
)
from relay.database.embedded.place import OWN_USER
from tests.database.embedded_command import (
    LINGER_S,
    fetch,
    is_alive,
    joined,
    running,
    wait_until_stopped,
)
from tests.waiting import block_until

NOBODY = 65534
is_root = os.geteuid() == 0


@pytest.fixture
def top() -> Iterator[Path]:
    """A new directory that the server's own user can enter, also when we are root."""
    path = Path(tempfile.mkdtemp(prefix="kling-relay-tests-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


async def test_sqlalchemy_connects_with_the_same_url(postgres_server: EmbeddedPostgres) -> None:
    """Only the scheme differs between asyncpg's URL and SQLAlchemy's."""
    url = postgres_server.url().replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url)

    async with engine.connect() as connection:
        database = await connection.scalar(text("SELECT current_database()"))
    await engine.dispose()

    assert database == "relay"


async def test_the_server_is_private_and_durable(postgres_server: EmbeddedPostgres) -> None:
    """No TCP, a socket that only its owner reaches, fsync, UTF-8 in the locale C."""
    names = (
        *("listen_addresses", "unix_socket_permissions", "fsync"),
        *("server_encoding", "max_connections"),
    )

    values = [await fetch(postgres_server.url(), f"SHOW {name}") for name in names]
    collation = await fetch(
        postgres_server.url(),
        "SELECT datcollate FROM pg_database WHERE datname = current_database()",
    )

    assert values == ["", "0700", "on", "UTF8", "200"]
    assert collation == "C"
    assert stat.S_IMODE(postgres_server.socket_dir.stat().st_mode) == 0o700


async def test_it_lets_in_who_runs_it_and_root_alone(postgres_server: EmbeddedPostgres) -> None:
    """By peer, whoever reaches the socket; and it never runs as the system's own `postgres`."""
    url = postgres_server.url()
    rules = await fetch(url, "SELECT array_agg(type || ' ' || auth_method) FROM pg_hba_file_rules")
    names = await fetch(
        url, "SELECT array_agg(DISTINCT sys_name ORDER BY sys_name) FROM pg_ident_file_mappings"
    )
    runs_as = pwd.getpwuid(postgres_server.socket_dir.stat().st_uid).pw_name

    assert rules == ["local peer"]
    assert names == sorted({"root", runs_as})
    assert runs_as == (OWN_USER if is_root else pwd.getpwuid(os.geteuid()).pw_name)


@pytest.mark.skipif(not is_root, reason="an ordinary user cannot become another one")
def test_another_user_is_not_let_in_though_it_reaches_the_socket(
    postgres_server: EmbeddedPostgres, as_ordinary_user: list[str]
) -> None:
    """Permissions of a directory are given away in a moment; then peer still says who asks."""
    socket = postgres_server.socket_dir / f".s.PGSQL.{postgres_server.port}"
    ask = f"import asyncio, asyncpg; asyncio.run(asyncpg.connect({postgres_server.url()!r}))"
    try:
        postgres_server.socket_dir.chmod(0o711)
        socket.chmod(0o777)
        asked = subprocess.run(
            [*as_ordinary_user, "env", sys.executable, "-c", ask],
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        socket.chmod(0o700)
        postgres_server.socket_dir.chmod(0o700)

    assert "eer authentication failed" in asked.stderr


@pytest.mark.parametrize("name", ["x" * 120, "with blank, comma and ü"])
async def test_a_data_dir_that_no_socket_can_be_in(top: Path, name: str) -> None:
    """A path too long for a socket, or with characters that need quoting: it lies in /tmp."""
    data_dir = top / name / "data"

    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        answer = await fetch(server.url(), "SELECT 42")
        status = server.socket_dir.stat()
    wait_until_stopped(data_dir)
    server.socket_dir.rmdir()  # which succeeds only if it is empty

    assert answer == 42
    assert len(os.fsencode(server.socket_dir)) < 90
    assert stat.S_IMODE(status.st_mode) == 0o700


def test_a_socket_directory_of_somebody_else_is_refused(top: Path) -> None:
    """Who can write to /tmp can put a directory there first: it is not used if it is not ours."""
    data_dir = top / ("x" * 120)
    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        pass
    wait_until_stopped(data_dir)
    server.socket_dir.chmod(0o777)

    with (
        pytest.raises(EmbeddedPostgresError, match="is not a private directory"),
        embedded_postgres(data_dir),
    ):
        pass

    server.socket_dir.rmdir()


@pytest.fixture
def as_ordinary_user(top: Path) -> list[str]:
    """What to put before a command so that an ordinary user who owns `top` runs it."""
    if not is_root:
        return []
    os.chown(top, NOBODY, NOBODY)
    before = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    # env, since setpriv itself still has root's capabilities when it executes its command.
    probe = [*before, "env", sys.executable, "-c", "import asyncpg"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        # This Python stands below /root: let the user pass there, who is still not root.
        before += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return before


async def test_an_ordinary_user_can_run_it(top: Path, as_ordinary_user: list[str]) -> None:
    """It works on a directory of the user's own, with the installed programs, not a copy."""
    data_dir = top / "data"

    with joined(data_dir, *as_ordinary_user) as command:
        answer = await fetch(command.url, "SELECT 42")
    owners = {path.stat().st_uid for path in (data_dir / "postgres").iterdir()}

    wait_until_stopped(data_dir)
    assert answer == 42
    assert owners == {NOBODY if is_root else os.geteuid()}
    assert list((data_dir / "postgres").glob("binaries-*")) == []


@pytest.mark.skipif(not is_root, reason="an ordinary user has no such directories")
def test_root_can_use_a_directory_that_the_servers_user_cannot_enter(top: Path) -> None:
    """Nothing changes its permissions: the data lies elsewhere, and is found again."""
    top.chmod(0o700)
    data_dir = top / "data"

    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        asyncio.run(fetch(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer"))
    wait_until_stopped(data_dir)
    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        answer = asyncio.run(fetch(server.url(), "SELECT answer FROM kept"))
    wait_until_stopped(data_dir)
    elsewhere = Path((data_dir / "postgres/location").read_text().strip())
    owner = (elsewhere / "belongs-to").read_text().strip()
    shutil.rmtree(elsewhere)

    assert answer == 42
    assert stat.S_IMODE(top.stat().st_mode) == 0o700
    assert elsewhere.is_relative_to(default_data_dir() / "elsewhere")
    assert owner == str(data_dir / "postgres")


@pytest.mark.parametrize("left_there", ["a living process", "nothing at all"])
def test_a_stale_pid_file_is_no_obstacle(top: Path, left_there: str) -> None:
    """After a crash postmaster.pid may name a process that is none of ours, or be empty."""
    data_dir = top / "data"
    with embedded_postgres(data_dir, linger_s=LINGER_S):
        pass
    wait_until_stopped(data_dir)
    cluster = data_dir / "postgres/cluster"
    user = cluster.stat().st_uid if is_root else None
    with subprocess.Popen(["sleep", "60"], user=user) as other:
        left = f"{other.pid}\n{cluster}\n1\n5432\n" if left_there == "a living process" else ""
        (cluster / "postmaster.pid").write_text(left)

        with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
            answer = asyncio.run(fetch(server.url(), "SELECT 42"))
        other_lives = other.poll() is None
        other.kill()

    wait_until_stopped(data_dir)
    assert answer == 42
    assert other_lives


def test_data_of_another_version_is_refused(top: Path) -> None:
    """The sentence names both versions and says what to do."""
    cluster = top / "data/postgres/cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("13\n")

    with (
        pytest.raises(EmbeddedPostgresError, match=r"is PostgreSQL 13's, but only 18 is installed"),
        embedded_postgres(top / "data"),
    ):
        pass


def test_a_path_that_cannot_be_a_directory_is_one_sentence(top: Path) -> None:
    """A file stands where the directory should."""
    (top / "data").write_text("")

    with (
        pytest.raises(EmbeddedPostgresError, match=r"cannot use .*/data: File exists\."),
        embedded_postgres(top / "data"),
    ):
        pass


@pytest.mark.parametrize("limit", [12_000_000, 100_000])
async def test_a_full_disk_is_one_sentence_and_leaves_no_half_database(
    top: Path, limit: int
) -> None:
    """Writing fails in the middle of initdb; with room again, the next start works.

    A limit per file stands in for the full disk. The first 16 MB of WAL exceed the higher one,
    root's copy of the programs the lower one.
    """
    data_dir = top / "data"

    with joined(data_dir, "prlimit", f"--fsize={limit}") as command:
        pass

    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        answer = await fetch(server.url(), "SELECT 42")
    wait_until_stopped(data_dir)
    assert "File too large" in command.answer
    assert str(data_dir / "postgres/server.log") in command.answer
    assert answer == 42


def test_a_deleted_data_dir_ends_its_server(top: Path) -> None:
    """Whoever deletes it under a running server gets rid of the server, and can start afresh."""
    data_dir = top / "data"
    with joined(data_dir):
        state = running(data_dir)
        # The server may remove its own files at the same time.
        while data_dir.exists():
            shutil.rmtree(data_dir, ignore_errors=True)

        block_until(lambda: not is_alive(state["supervisor"]))
        assert not is_alive(state["postmaster"])
