"""One embedded Postgres for the test session; with pytest-xdist, one for each worker."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.database.embedded import EmbeddedPostgres, embedded_postgres
from tests.database.embedded_command import wait_until_stopped


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    # Not tmp_path: as root, the server's own user could not enter it.
    top = Path(tempfile.mkdtemp(prefix="kling-relay-tests-"))
    top.chmod(0o711)
    with embedded_postgres(top / "data", linger_s=0.2) as server:
        yield server
    assert wait_until_stopped(top / "data"), "the embedded Postgres did not stop"
    shutil.rmtree(top)
