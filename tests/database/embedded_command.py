"""Commands that use an embedded server, as processes of their own that a test can kill."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from relay.database.embedded import locks
from tests.waiting import PATIENCE_S, block_until

LINGER_S = 0.3
REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import subprocess, sys
from pathlib import Path
from relay.database.embedded import EmbeddedPostgresError, embedded_postgres

try:
    with embedded_postgres(Path(sys.argv[1]), linger_s=float(sys.argv[2])) as server:
        nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        child = subprocess.Popen(["sleep", "600"], close_fds=False, **nothing)
        print(server.url(), child.pid, flush=True)
        sys.stdin.read()
        child.kill()
        child.wait()
except EmbeddedPostgresError as error:
    print(error, flush=True)
"""


class Command:
    """A running process with an open context, whose own child inherited all that it could."""

    def __init__(self, data_dir: Path, *before: str, linger_s: float = LINGER_S) -> None:
        self._process = subprocess.Popen(
            [*before, sys.executable, "-c", PROGRAM, data_dir, str(linger_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )
        self.url = ""
        self.answer = ""
        self._child: int | None = None

    def wait_until_joined(self) -> str:
        """Return the URL, or the sentence that says why there is none."""
        assert self._process.stdout is not None
        self.answer = self._process.stdout.readline().strip()
        if self.answer.startswith("postgresql://"):
            self.url, child = self.answer.split()
            self._child = int(child)
        return self.url or self.answer

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=PATIENCE_S) == 0
        self._child = None

    def kill(self) -> None:
        """SIGKILL the command only; its child lives until `close`."""
        self._process.kill()
        self._process.wait(timeout=PATIENCE_S)

    def close(self) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        if self._child is not None:
            os.kill(self._child, signal.SIGKILL)
            self._child = None


@contextlib.contextmanager
def joined(data_dir: Path, *before: str, linger_s: float = LINGER_S) -> Iterator[Command]:
    command = Command(data_dir, *before, linger_s=linger_s)
    try:
        command.wait_until_joined()
        yield command
    finally:
        command.close()


async def fetch(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=PATIENCE_S)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def running(data_dir: Path) -> dict[str, Any]:
    """Read what the supervisor wrote about itself: supervisor, postmaster, socket_dir, port."""
    try:
        state: dict[str, Any] = json.loads((data_dir / "postgres/supervisor.lock").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return state


def is_alive(pid: int) -> bool:
    """Say whether the process runs; one that only waits to be reaped does not."""
    return arguments_of(pid) != []


def arguments_of(pid: int) -> list[str]:
    """Read a process's command line, which is empty once it has ended; none of ours has blanks."""
    if Path("/proc/self/cmdline").exists():  # Linux, where a small image has no ps
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        except OSError:
            return []
    shown = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    text = subprocess.run(shown, capture_output=True, text=True, check=False).stdout
    return [] if "<defunct>" in text else text.split()


def wait_until_stopped(data_dir: Path) -> None:
    """Wait for the supervisor of `data_dir` to end; it does so only after its server did."""
    with locks.lock_file(data_dir / "postgres" / "supervisor.lock") as supervisor:
        block_until(
            lambda: locks.try_lock(supervisor), what=lambda: "the embedded Postgres did not stop"
        )
