"""An embedded server for a moment, of which nothing is left."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from relay.database.embedded import locks
from relay.database.embedded.attach import POLL_S, EmbeddedPostgres, embedded_postgres

LINGER_S = 0.1
STOP_MAX_S = 60.0


@contextlib.contextmanager
def scratch_postgres(folder: str | None = None) -> Iterator[EmbeddedPostgres]:
    """Run a server with an empty database `relay`, in a folder, or that for temporary files.

    Raises:
        EmbeddedPostgresError: it cannot run here.
    """
    top = Path(tempfile.mkdtemp(prefix="kling-relay-scratch-", dir=folder))
    if os.geteuid() == 0:
        top.chmod(0o711)  # the server's own user has to come through
    try:
        with embedded_postgres(top / "data", linger_s=LINGER_S) as server:
            yield server
        _wait_until_stopped(top / "data" / "postgres")
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _wait_until_stopped(home: Path) -> None:
    deadline = time.monotonic() + STOP_MAX_S
    with locks.lock_file(home / "supervisor.lock") as supervisor:
        while not locks.try_lock(supervisor) and time.monotonic() < deadline:
            time.sleep(POLL_S)
