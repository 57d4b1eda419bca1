"""Real Postgres for every test: one embedded server a session, one fresh database a test.

With pytest-xdist, each worker has a server of its own.
"""

import io
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from relay.database.embedded import EmbeddedPostgres, embedded_postgres
from relay.database.migrate import migrate
from relay.logs import configure_logs
from tests import run
from tests.clones import cloned, execute
from tests.database.embedded_command import wait_until_stopped

MEMORY_BYTES_MIN = 12 * 2**30
"""Of four workers, one of which has a million rows."""


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:  # they have the controller's environment
        assert config.cache is not None
        config.add_cleanup(run.set_up_processes(config, config.cache.mkdir("bytecode")))
    # structlog's own choice, rich, draws tables of what all functions of a traceback had in hand.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


def pytest_xdist_auto_num_workers() -> int | None:
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else run.workers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run.longest_first(items)


def pytest_collection_finish() -> None:
    run.spare_the_collector()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    # Not tmp_path: as root, the server's own user could not enter it.
    top = Path(tempfile.mkdtemp(prefix="kling-relay-tests-", dir=_in_memory()))
    top.chmod(0o711)
    with embedded_postgres(top / "data", linger_s=0.2) as server:
        yield server
    wait_until_stopped(top / "data")
    shutil.rmtree(top)


@pytest.fixture(scope="session")
async def template(postgres_server: EmbeddedPostgres) -> str:
    """Name of a database that the migrations built; tests get clones of it."""
    name = "template_relay"
    await execute(postgres_server, f"CREATE DATABASE {name}")
    await migrate(postgres_server.url(name))
    # So that no tenant's id is ever its account's, and whoever takes one for the other is found.
    await execute(postgres_server, "ALTER SEQUENCE accounts_id_seq RESTART WITH 1001", name)
    return name


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A migrated database that nobody else uses: real connections, real commits."""
    async with cloned(postgres_server, template) as url:
        yield url


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the logs of this test go; afterwards everything is as it was before."""
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    level = logging.getLogger().level
    yield io.StringIO()
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def logged(stream: io.StringIO) -> io.StringIO:
    """Every logger of the relay writes here: none has kept an earlier configuration."""
    configure_logs(level="debug", stream=stream, is_final=False)
    return stream


def _in_memory() -> Path | None:
    """Where files are memory, if there is enough: each test copies a database, 8 MB to a disk."""
    memory = Path("/dev/shm")
    try:
        has_room = shutil.disk_usage(memory).free > MEMORY_BYTES_MIN and os.access(memory, os.W_OK)
    except OSError:
        return None
    return memory if has_room else None
