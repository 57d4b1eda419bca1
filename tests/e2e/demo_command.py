"""`relay demo` as a process of its own, watched by what it says and by what it leaves."""

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from tests.waiting import PATIENCE_S

REPOSITORY = Path(__file__).resolve().parents[2]


class DemoCommand:
    """A running demo; `said` is all it wrote to stderr so far, `printed` to stdout."""

    def __init__(
        self, data_dir: Path, logs: Path, *arguments: str, environment: Mapping[str, str]
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "relay", "demo", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "RELAY_DATA_DIR": str(data_dir),
                "TMPDIR": str(logs),
                **environment,
            },
        )
        self.said = self.printed = ""
        self._news: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._open_streams = 2
        self._readers = [
            threading.Thread(target=self._read, args=(stream, name))
            for stream, name in ((self.process.stdout, "out"), (self.process.stderr, "err"))
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, text: str) -> None:
        """Read until `text` was written to either stream."""
        while text not in self.said and text not in self.printed:
            assert self._take(), f"it ended before {text!r}:\n{self.said}"

    def wait(self) -> int:
        """Read to the end; the exit code."""
        while self._take():
            pass
        return self.process.wait(timeout=PATIENCE_S)

    def send(self, number: signal.Signals) -> None:
        """Signal the command alone, not what it started."""
        self.process.send_signal(number)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    @property
    def ports(self) -> list[int]:
        """Where its sandbox and its relay listen, or did."""
        return [int(port) for port in re.findall(r"ready +http://127\.0\.0\.1:(\d+)", self.said)]

    def _read(self, stream: IO[str], name: str) -> None:
        for line in stream:
            self._news.put((name, line))
        self._news.put(None)

    def _take(self) -> bool:
        """Take one line; False once both streams have ended."""
        while self._open_streams:
            news = self._news.get(timeout=PATIENCE_S)
            if news is not None:
                name, line = news
                self.said += line if name == "err" else ""
                self.printed += line if name == "out" else ""
                return True
            self._open_streams -= 1
        return False


@contextlib.contextmanager
def running_demo(
    data_dir: Path,
    logs: Path,
    *arguments: str,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[DemoCommand]:
    command = DemoCommand(data_dir, logs, *arguments, environment=environment)
    try:
        yield command
    finally:
        command.close()


def is_listening(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(PATIENCE_S)
        return caller.connect_ex(("127.0.0.1", port)) == 0
