"""The relay's commands as real processes, that a test can kill and that never outlive it.

Each ends with its context, and on Linux with the test's process too, should that be killed.
Nothing waits without a limit.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: it survives the exec below
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)  # the test has ended meanwhile
os.execv(sys.executable, [sys.executable, "-m", "relay", *sys.argv[2:]])
"""


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
        with log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-S", "-c", BEGIN, str(os.getpid()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                cwd=log_path.parent,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event, the oldest first."""
        lines = self.log_path.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "}"]
        return [event for event in events if event.get("event") == name]

    async def logged(self, name: str) -> dict[str, Any]:
        """Wait for the first line with this event."""

        async def first() -> dict[str, Any] | None:
            events = self.events(name)
            assert events or self.popen.poll() is None, self.tail()
            return events[0] if events else None

        return await wait_until(first, what=lambda: f"no {name} in {self.tail()}")

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative if a signal ended it."""

        async def has_ended() -> bool:
            return self.popen.poll() is not None

        await wait_until(has_ended, what=lambda: f"still running: {self.tail()}")
        return int(self.popen.returncode)

    def kill(self) -> None:
        """SIGKILL it: nothing of it runs any more when this returns."""
        self.popen.kill()
        self.popen.wait(timeout=PATIENCE_S)

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def memory_peak_mb(self) -> float:
        """The most that was resident at a time (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text().split()
        return int(status[status.index("VmHWM:") + 1]) / 1024

    def tail(self) -> str:
        """What to show of it when a test fails."""
        return f"exit code {self.popen.poll()}, log: {self.log_path.read_text()[-3000:]}"


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
