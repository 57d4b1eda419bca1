"""The demo's processes: `relay sandbox` and `relay serve`, on free ports of this machine.

Each is `python -m relay.cli.demo.processes DESCRIPTOR COMMAND…`. The descriptor is the reading end
of a pipe whose other end only the demo has: it closes when the demo ends, however that happens, on
every system (PR_SET_PDEATHSIG is Linux's alone), and then the process ends too.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from relay.cli.failure import Failure

SOURCE_ROOT = Path(__file__).resolve().parents[3]
START_MAX_S = 30.0
STOP_MAX_S = 6.0
DRAIN_S = 3
POLL_S = 0.05
PORT_TRIES = 5
LOG_LINES_SHOWN = 5


class Child:
    """One running command, which writes all it says to `log`, a file."""

    def __init__(
        self, name: str, *arguments: str, directory: Path, settings: Mapping[str, str]
    ) -> None:
        self.name = name
        self.url = ""
        """Where it listens; known once it has started."""
        self.office_url = ""
        """Where its office is, of a relay."""
        self.log = directory / f"{name}.log"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RELAY_")}
        paths = [str(SOURCE_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
        theirs, self._pipe = os.pipe()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module and our own arguments
                [sys.executable, "-P", "-m", __name__, str(theirs), name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env={**kept, "PYTHONPATH": os.pathsep.join(paths), **settings},
                pass_fds=[theirs],
                start_new_session=True,  # Ctrl-C is for us; we stop them in order
            )
        os.close(theirs)

    async def wait_until_started(self) -> None:
        """Wait until it says where it listens.

        Raises:
            Failure: it ended, or said nothing in time.
        """
        for _ in range(round(START_MAX_S / POLL_S)):
            has_ended = self.has_ended  # asked first: what it said before is then in the log
            for line in self._said():  # other lines than the one event may be anything
                if line.startswith("{") and f'"{self.name}.started"' in line:
                    started = json.loads(line)
                    self.url, self.office_url = str(started["url"]), str(started.get("office", ""))
                    return
            if has_ended:
                raise self.failure(f"ended with {self._process.returncode} before it served")
            await asyncio.sleep(POLL_S)
        raise self.failure(f"did not serve within {START_MAX_S:.0f} s")

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def failure(self, what: str) -> Failure:
        lines = "".join(f"\n  {line}" for line in self._said()[-LOG_LINES_SHOWN:])
        return Failure(f"`relay {self.name}` {what}; its log is {self.log}{lines and ':'}{lines}")

    async def stop(self) -> None:
        """End it by SIGTERM, or by SIGKILL if it does not listen."""
        self._process.terminate()
        for _ in range(round(STOP_MAX_S / POLL_S)):
            if self.has_ended:
                break
            await asyncio.sleep(POLL_S)
        self._process.kill()  # nothing, if it has ended
        self._process.wait()
        os.close(self._pipe)

    def _said(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()


@asynccontextmanager
async def running(
    name: str,
    *arguments: str,
    directory: Path,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Child]:
    """Run a command of this program; the caller waits for it when it is needed."""
    child = Child(name, *arguments, directory=directory, settings=settings)
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
    for port in ports or _free_ports():
        command = ("serve", "--host", "127.0.0.1", "--port", str(port))
        settings = {
            "RELAY_DATABASE_URL": database_url,
            "RELAY_SECRET_KEY": secret_key,
            "RELAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "RELAY_PORTAL": "true",
            "RELAY_PORTAL_NAME": "Demo Video",
            "RELAY_DRAIN_S": str(DRAIN_S),
            "RELAY_OFFICE_PORT": "0",  # the usual one may be a real relay's
        }
        async with running(*command, directory=directory, settings=settings) as child:
            try:
                await child.wait_until_started()
            except Failure as failure:
                if "cannot listen" not in str(failure):
                    raise
                continue
            yield child
            return
    raise Failure(f"each of {PORT_TRIES} free ports was taken before `relay serve` had it")


def _free_ports() -> Iterator[int]:
    for _ in range(PORT_TRIES):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
        yield port


def _run_command(descriptor: int, *arguments: str) -> None:
    """Be the process: run a command until the pipe closes."""

    def end_with_the_demo() -> None:
        os.read(descriptor, 1)  # nothing is ever written: it returns when the pipe closes
        os._exit(1)

    os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional in the standard library
    threading.Thread(target=end_with_the_demo, daemon=True).start()
    from relay.cli import cli

    cli.main(args=arguments, prog_name="relay")


if __name__ == "__main__":
    _run_command(int(sys.argv[1]), *sys.argv[2:])
