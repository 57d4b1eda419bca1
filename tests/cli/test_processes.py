"""The commands that run until they are told to stop, as processes of their own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.database.embedded import locks
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.cli.command import Command
from tests.waiting import PATIENCE_S, block_until


class Running:
    """A process whose stderr is read as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def event(self, name: str) -> dict[str, Any]:
        """Wait for a log event."""

        def said() -> dict[str, Any] | None:
            has_ended = self.process.poll() is not None
            for line in list(self.lines):
                if line.startswith("{") and json.loads(line)["event"] == name:
                    return dict(json.loads(line))
            assert not has_ended, self.lines
            return None

        return block_until(said, what=lambda: f"no {name} in {self.lines}")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())


@contextlib.contextmanager
def started(environ: dict[str, str], *args: str) -> Iterator[Running]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    with subprocess.Popen(
        [sys.executable, "-m", "relay", *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=clean | {"RELAY_OFFICE_PORT": "0"} | environ,
        text=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_where_and_ends_with_zero(relay: Command, number: int) -> None:
    """Port 0 takes a free one; without a public URL it warns that tasks are polled instead."""
    with started(relay.environ, "serve", "--port", "0") as running:
        url = running.event("serve.started")["url"]
        warned = running.event("serve.callbacks_off")
        alive = httpx.get(f"{url}/health/live", timeout=PATIENCE_S, trust_env=False)
        code = running.end(number)

    assert url.startswith("http://127.0.0.1:")
    assert "RELAY_PUBLIC_URL is not set" in warned["reason"]
    assert alive.status_code == 200
    assert "uvicorn" not in alive.headers.get("server", "")
    assert code == 0


def test_serve_with_a_public_url_says_that_callbacks_are_on(relay: Command) -> None:
    """And does not warn."""
    environ = relay.environ | {"RELAY_PUBLIC_URL": "https://relay.example.com"}
    with started(environ, "serve", "--port", "0") as running:
        event = running.event("serve.started")
        running.end(signal.SIGTERM)

    assert event["callbacks"] == "https://relay.example.com"
    assert not any("serve.callbacks_off" in line for line in running.lines)


def test_serve_tells_systemd_when_it_serves(relay: Command, tmp_path: Path) -> None:
    """Once, as it says where; systemd then goes on to the next process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(PATIENCE_S)
        systemd.bind(str(tmp_path / "notify"))
        environ = relay.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with started(environ, "serve", "--port", "0") as running:
            told = systemd.recv(100)
            alive = httpx.get(
                f"{running.event('serve.started')['url']}/health/live",
                timeout=PATIENCE_S,
                trust_env=False,
            )
            running.end(signal.SIGTERM)

    assert told == b"READY=1"
    assert alive.status_code == 200


def test_a_taken_port_is_one_sentence(relay: Command) -> None:
    """Exit code 1 from `serve` and from `sandbox`, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        of_sandbox = relay.refused("sandbox", "--port", port)
        with started(relay.environ, "serve", "--port", port) as running:
            code = running.process.wait(timeout=PATIENCE_S)

    assert code == 1
    assert running.lines == [f"error: cannot listen on 127.0.0.1:{port}: Address already in use"]
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in of_sandbox


def test_serve_refuses_a_database_that_is_behind(relay: Command) -> None:
    """Exit code 3 before it listens."""
    relay("migrate", "--revision", "base")

    with started(relay.environ, "serve", "--port", "0") as running:
        code = running.process.wait(timeout=PATIENCE_S)

    assert code == 3
    assert len(running.lines) == 1
    assert "run `relay migrate`" in running.lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_with_zero(relay: Command, number: int) -> None:
    """Both signals end it cleanly, with nothing on stderr but its log."""
    with started(relay.environ, "worker") as running:
        running.event("worker.started")
        code = running.end(number)

    assert code == 0
    assert all(line.startswith("{") for line in running.lines)


def test_a_worker_has_an_office_where_it_is_told_to(relay: Command) -> None:
    """Its health and its metrics, and nothing of tenants; without the option it has none."""
    with started(relay.environ, "worker", "--office-port", "0") as running:
        url = running.event("worker.started")["office"]
        answers = [
            httpx.get(f"{url}{path}", timeout=PATIENCE_S, trust_env=False)
            for path in ("/health/ready", "/metrics", "/v1/videos/text2video", "/openapi")
        ]
        code = running.end(signal.SIGTERM)
    with started(relay.environ, "worker") as without:
        told = without.event("worker.started")["office"]

    assert [answer.status_code for answer in answers] == [200, 200, 404, 404]
    assert "relay_looks_total" in answers[1].text
    assert (code, told) == (0, "off")


def test_the_embedded_database_lives_as_long_as_serve(tmp_path: Path) -> None:
    """With a directory as the only setting: ready, and one of the database's users to the end."""
    environ = {"RELAY_DATA_DIR": str(tmp_path / "data")}
    with started(environ, "serve", "--port", "0") as running:
        url = running.event("serve.started")["url"]
        Command(environ)("tenant", "add", "acme")
        ready = httpx.get(f"{url}/health/ready", timeout=PATIENCE_S, trust_env=False)
        with locks.lock_file(tmp_path / "data" / "postgres" / "users.lock") as users:
            is_in_use = not locks.try_lock(users)
        running.end(signal.SIGTERM)

    assert ready.status_code == 200
    assert is_in_use


def test_the_sandbox_says_how_to_give_it_to_the_relay(relay: Command) -> None:
    """The printed line, run in a shell as it stands, adds a working channel."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with started({}, "sandbox", "--port", port) as running:
        running.event("sandbox.started")
        line = next(line for line in running.lines if "relay channel add" in line)
        added = subprocess.run(
            ["sh", "-c", line.replace("relay", f"{sys.executable} -m relay", 1)],
            env={**os.environ, **relay.environ},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    assert added.returncode == 0, added.stderr
    assert relay.json("channel", "list")[0]["has_api_key"] is True


def test_a_sandbox_with_accounts_of_ones_own_prints_no_secret() -> None:
    """Of an account that is not the public default, the access key only."""
    with started({}, "sandbox", "--port", "0", "--account", "ak-1|sk-1-secret|key-1") as running:
        running.event("sandbox.started")

    assert any("'ak-1|…'" in line for line in running.lines)
    assert not any("sk-1-secret" in line or "key-1" in line.split() for line in running.lines)
    assert not any(DEFAULT_ACCOUNT.api_key in line for line in running.lines)


def test_an_account_without_its_parts_is_wrong_usage() -> None:
    """Exit code 2, before anything listens."""
    message = Command({}).refused("sandbox", "--account", "ak|sk", code=2)

    assert "'ACCESS_KEY|SECRET_KEY|API_KEY'" in message


def test_serve_refuses_to_charge_in_another_currency(relay: Command) -> None:
    """The books are in USD with their first entry; one sentence, exit code 2, before it listens."""
    relay("tenant", "add", "acme", "--quota", "1")

    with started({**relay.environ, "RELAY_CURRENCY": "CNY"}, "serve", "--port", "0") as running:
        code = running.process.wait(timeout=PATIENCE_S)

    assert code == 2
    assert "the books of this database are in USD, and RELAY_CURRENCY is CNY" in running.lines[0]
