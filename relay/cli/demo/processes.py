"""The demo's processes: `relay sandbox` and `relay serve`, on free ports of this machine."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from relay.cli.failure import Failure

SOURCE_ROOT = Path(__file__).resolve().parents[3]
START_MAX_S = 30.0
STOP_MAX_S = 6.0
DRAIN_S = 3
POLL_S = 0.05
PORT_TRIES = 5
LOG_LINES_SHOWN = 5


class Child:
    """One running command. Its output goes to `log`, a file."""

    def __init__(
        self, arguments: Sequence[str], *, settings: dict[str, str], directory: Path
    ) -> None:
        self.name = arguments[0]
        self.url = ""
        """Where it listens; known once it has started."""
        self.log = directory / f"{self.name}.log"
        ours, self._pipe = os.pipe()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module and our own arguments
                [sys.executable, "-P", "-m", "relay.cli.demo.child", str(ours), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env=_environment(settings),
                pass_fds=[ours],
                start_new_session=True,  # Ctrl-C is for us; we stop them in order
            )
        os.close(ours)

    async def wait_until_started(self) -> None:
        """Wait until it says where it listens.

        Raises:
            Failure: it ended, or said nothing in time.
        """
        deadline = time.monotonic() + START_MAX_S
        while time.monotonic() < deadline:
            has_ended = self.has_ended  # asked first: what it said before is then in the log
            if url := self._said_url():
                self.url = url
                return
            if has_ended:
                raise self.failure(f"ended with {self._process.returncode} before it served")
            await asyncio.sleep(POLL_S)
        raise self.failure(f"did not serve within {START_MAX_S:.0f} s")

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def failure(self, what: str) -> Failure:
        said = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        lines = "".join(f"\n  {line}" for line in said)
        return Failure(f"`relay {self.name}` {what}; its log is {self.log}{lines and ':'}{lines}")

    async def stop(self) -> None:
        """End it by SIGTERM, or by SIGKILL if it does not listen."""
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
        for _ in range(round(STOP_MAX_S / POLL_S)):
            if self.has_ended:
                break
            await asyncio.sleep(POLL_S)
        else:
            self._process.kill()
        self._process.wait()
        os.close(self._pipe)

    def _said_url(self) -> str | None:
        """Find the one event that tells where it listens; other lines may be anything."""
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{") and f'"{self.name}.started"' in line:
                return str(json.loads(line)["url"])
        return None


@asynccontextmanager
async def running_sandbox(
    directory: Path, *, log_file: Path, task_seconds: float
) -> AsyncIterator[Child]:
    """Start a sandbox; the caller waits for it when it is needed."""
    arguments = ["sandbox", "--port", "0", "--log-file", str(log_file)]
    arguments += ["--task-seconds", str(task_seconds)]
    child = Child(arguments, settings={}, directory=directory)
    try:
        yield child
    finally:
        await child.stop()


@asynccontextmanager
async def running_relay(
    directory: Path, *, database_url: str, secret_key: str, ports: Iterator[int] | None = None
) -> AsyncIterator[Child]:
    """Run a relay that Kling can call back.

    It has to be told its own URL, so a port is chosen here; another process may take that port
    first, and then the next of `ports` is tried.
    """
    child = await _started_relay(
        directory,
        settings={"RELAY_DATABASE_URL": database_url, "RELAY_SECRET_KEY": secret_key},
        ports=ports or _free_ports(),
    )
    try:
        yield child
    finally:
        await child.stop()


async def _started_relay(
    directory: Path, *, settings: dict[str, str], ports: Iterator[int]
) -> Child:
    for port in ports:
        own = {"RELAY_PUBLIC_URL": f"http://127.0.0.1:{port}", "RELAY_DRAIN_S": str(DRAIN_S)}
        own["RELAY_OFFICE_PORT"] = "0"  # the usual one may be a real relay's
        child = Child(
            ["serve", "--host", "127.0.0.1", "--port", str(port)],
            settings=settings | own,
            directory=directory,
        )
        try:
            await child.wait_until_started()
        except BaseException as error:
            await child.stop()
            if not (isinstance(error, Failure) and "cannot listen" in str(error)):
                raise
        else:
            return child
    raise Failure(f"each of {PORT_TRIES} free ports was taken before `relay serve` had it")


def _free_ports() -> Iterator[int]:
    for _ in range(PORT_TRIES):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
        yield port


def _environment(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    paths = [str(SOURCE_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)} | settings
