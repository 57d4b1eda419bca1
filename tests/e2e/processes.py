"""The relay's commands as real processes, that a test can kill and that never outlive it.

Each ends with its context, and on Linux with the test's process too, should that be killed.
Nothing waits without a limit.

They are forked off one that has imported the relay: two of the three seconds of a core that a start
takes are imports. What a start as a new program does is held by `tests/cli/test_processes.py`.
"""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["relay.app", "relay.cli.serve", "relay.sandbox.serve", __name__])


def _begin(arguments: tuple[str, ...], environ: dict[str, str], log_path: Path, code: Path) -> None:
    """Be the command, in a process that was just forked."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; it survives an exec
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(log_path.parent)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(file, descriptor)
    if code != REPOSITORY:  # it has modules of its own
        os.execv(sys.executable, [sys.executable, "-m", "relay", *arguments])
    from relay.cli import main  # noqa: PLC0415

    sys.argv[:] = ["relay", *arguments]
    main()


class Process:
    """One `relay` command; what it logs goes to a file."""

    def __init__(
        self, *arguments: str, log_path: Path, code: Path = REPOSITORY, **settings: object
    ) -> None:
        """`settings` are the relay's own, by the names that `relay/settings.py` gives them."""
        self.log_path = log_path
        environ = {name: value for name, value in os.environ.items() if name[:6] != "RELAY_"}
        environ |= {"PYTHONPATH": str(code)}
        environ |= {f"RELAY_{name.upper()}": str(value) for name, value in settings.items()}
        log_path.write_bytes(b"")
        given = (arguments, environ, log_path, code)
        self._process = FORKING.Process(target=_begin, args=given, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.exitcode is None

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event, the oldest first."""
        lines = self.log_path.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "}"]
        return [event for event in events if event.get("event") == name]

    async def logged(self, name: str) -> dict[str, Any]:
        """Wait for the first line with this event."""

        async def first() -> dict[str, Any] | None:
            events = self.events(name)
            assert events or self.is_running, self.tail()
            return events[0] if events else None

        return await wait_until(first, what=lambda: f"no {name} in {self.tail()}")

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative if a signal ended it."""

        async def has_ended() -> bool:
            return not self.is_running

        await wait_until(has_ended, what=lambda: f"still running: {self.tail()}")
        assert self._process.exitcode is not None
        return self._process.exitcode

    def kill(self) -> None:
        """SIGKILL it: nothing of it runs any more when this returns."""
        self._process.kill()
        self._process.join(timeout=PATIENCE_S)

    def terminate(self) -> None:
        self._process.terminate()

    def memory_peak_mb(self) -> float:
        """The most that was resident at a time (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text().split()
        return int(status[status.index("VmHWM:") + 1]) / 1024

    def tail(self) -> str:
        """What to show of it when a test fails."""
        return f"exit code {self._process.exitcode}, log: {self.log_path.read_text()[-3000:]}"


@contextlib.contextmanager
def running(
    *arguments: str, log_path: Path, code: Path = REPOSITORY, **settings: object
) -> Iterator[Process]:
    """Run the code of a checkout, by default of this one, until the context ends."""
    process = Process(*arguments, log_path=log_path, code=code, **settings)
    try:
        yield process
    finally:
        process.kill()


def free_port() -> int:
    """Pick a port that a restarted process can bind again.

    Below the range that systems give to outgoing connections, or one of those might take it while
    its process is down.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
