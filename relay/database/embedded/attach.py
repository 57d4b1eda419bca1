"""What a command does to use the embedded server: join it, or have it started.

Two lock files in `<data_dir>/postgres/` carry the whole protocol:

- `users.lock`, shared: held by each context that is open. Taken BEFORE looking for the server.
  The supervisor tries it exclusively, and once nobody has held it for the linger, keeps it until
  Postgres has stopped. So who holds it has a server that stays, or none and no remains of one.
- `supervisor.lock`, exclusive: held by the supervisor as long as it lives. Who starts one takes
  the lock first and hands the opened file over, lock and all, so two are never started, even if
  the command that started the first is killed at once; everybody else waits for what the file
  says once the server is up: where it listens.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from relay.database.embedded import locks
from relay.database.embedded.errors import EmbeddedPostgresError, reason
from relay.database.embedded.place import LOG_NAME, own_directory

LINGER_S = 5.0
POLL_S = 0.02
JOIN_MAX_S = 300.0  # crash recovery of a large database is slow; PostgreSQL is given 240 of these
SOURCE_ROOT = Path(__file__).resolve().parents[3]
SUPERVISOR_ENVIRONMENT = re.compile("PATH|TMPDIR|PYTHON.*|LD_.*|DYLD_.*")


@dataclass(frozen=True)
class EmbeddedPostgres:
    """Where a running embedded server listens; its only role is `postgres`, taken by peer."""

    socket_dir: Path
    port: int

    def url(self, database: str = "relay") -> str:
        host = quote(str(self.socket_dir), safe="/")
        return f"postgresql://postgres@/{quote(database)}?host={host}&port={self.port}"


@contextlib.contextmanager
def embedded_postgres(data_dir: Path, *, linger_s: float = LINGER_S) -> Iterator[EmbeddedPostgres]:
    """Keep the server of `data_dir` running, starting and creating it if need be.

    It stops `linger_s` after its last user ended; the number of who started it counts. Blocks
    while joining: 0.1 s, 0.5 s for a start, 1 s for the very first, longer after a crash.

    Raises:
        EmbeddedPostgresError: the platform, the directory or PostgreSQL refused.
    """
    if sys.platform == "win32":
        raise EmbeddedPostgresError(
            "There is no embedded Postgres on Windows: set RELAY_DATABASE_URL to a PostgreSQL 15+."
        )
    with contextlib.ExitStack() as held:
        try:
            server = _join(own_directory(data_dir), held, linger_s)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The embedded Postgres cannot use {data_dir}: {reason(error)}."
            ) from error
        yield server


def _join(home: Path, held: contextlib.ExitStack, linger_s: float) -> EmbeddedPostgres:
    # Waits while a supervisor stops its server, which it does within a limit of its own.
    locks.lock_shared(held.enter_context(locks.lock_file(home / "users.lock")))
    deadline = time.monotonic() + JOIN_MAX_S
    while time.monotonic() < deadline:
        if server := _find_or_start(home, linger_s):
            return server
        time.sleep(POLL_S)
    raise EmbeddedPostgresError(
        f"The embedded Postgres was not ready after {JOIN_MAX_S:.0f} s; its log is "
        f"{home / LOG_NAME}."
    )


def _find_or_start(home: Path, linger_s: float) -> EmbeddedPostgres | None:
    """Return the server, or None while a supervisor that we did not start is still at it."""
    with locks.lock_file(home / "supervisor.lock") as supervisor:
        if locks.try_lock(supervisor):
            os.ftruncate(supervisor, 0)  # what a killed one left there
            _start_supervisor(home, supervisor, linger_s)
        try:
            state = json.loads(os.pread(supervisor, 4096, 0))
            return EmbeddedPostgres(socket_dir=Path(state["socket_dir"]), port=state["port"])
        except (ValueError, KeyError):
            return None


def _start_supervisor(home: Path, supervisor_lock: int, linger_s: float) -> None:
    """Start it and wait for its one line: nothing if the server is ready, else why it is not.

    What we start is only its parent, which forks and ends, so that no command has a child to
    wait for. It gets no more of our environment than Python needs: ours may hold secrets.
    """
    log = home / LOG_NAME
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_suffix(".log.1"))
    environment = {k: v for k, v in os.environ.items() if SUPERVISOR_ENVIRONMENT.fullmatch(k)}
    paths = [str(SOURCE_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    module = "relay.database.embedded.supervisor"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        parent = subprocess.Popen(  # noqa: S603 - our own module and our own arguments
            [sys.executable, "-P", "-m", module, home, str(supervisor_lock), str(linger_s)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=descriptor,
            cwd="/",
            env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=[supervisor_lock],
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    with parent:
        assert parent.stdout is not None
        answer = parent.stdout.read().decode()
    if answer != "ready":
        raise EmbeddedPostgresError(
            answer or f"The supervisor of the embedded Postgres died; its log is {log}."
        )
