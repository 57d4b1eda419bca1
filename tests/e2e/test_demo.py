"""The demo is run as a person runs it, and judged by what it prints and leaves."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from relay.cli.demo.database import demo_database
from relay.cli.demo.processes import running_relay
from relay.database.embedded import embedded_postgres
from relay.secrets import new_secret_key
from tests.database.embedded_command import fetch, wait_until_stopped
from tests.e2e.demo_command import DemoCommand, is_listening, running_demo
from tests.waiting import PATIENCE_S, block_until

DEMO_DATABASES = "SELECT array_agg(datname) FROM pg_database WHERE datname LIKE 'relay_demo_%'"
LOOPBACK = ("127.0.0.1", 0)
HOSTILE = {
    "RELAY_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/nowhere",
    "RELAY_SECRET_KEY": "not a key",
    "RELAY_CURRENCY": "points",
    "RELAY_PORT": "70000",
    "RELAY_PUBLIC_URL": "https://elsewhere.example",
    "RELAY_CONFIG": "/nonexistent/relay.toml",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
}


class Places(NamedTuple):
    data_dir: Path
    logs: Path


class Ended(NamedTuple):
    command: DemoCommand
    exit_code: int


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    # Not tmp_path: as root, the embedded server's own user could not enter it.
    top = Path(tempfile.mkdtemp(prefix="kling-relay-tests-"))
    top.chmod(0o711)
    places = Places(data_dir=top / "data", logs=top / "logs")
    places.logs.mkdir()
    yield places
    wait_until_stopped(places.data_dir)
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def two_at_once(places: Places) -> Iterator[tuple[Ended, Ended]]:
    """A demo for programs in an environment full of traps, and one for people, at one time."""
    with (
        running_demo(*places, "--json", environment=HOSTILE) as for_programs,
        running_demo(*places) as for_people,
    ):
        yield (
            Ended(for_programs, for_programs.wait()),
            Ended(for_people, for_people.wait()),
        )


async def test_two_demos_at_once_both_end_well_and_leave_nothing(
    places: Places, two_at_once: tuple[Ended, Ended]
) -> None:
    """Both exit with 0; no port answers, no database and no log is left."""
    commands = [ended.command for ended in two_at_once]

    ports = [port for command in commands for port in command.ports]
    databases = await databases_of(places)

    assert [ended.exit_code for ended in two_at_once] == [0, 0], [c.said for c in commands]
    assert len(set(ports)) == 4
    assert not any(map(is_listening, ports))
    assert databases is None
    assert list(places.logs.iterdir()) == []


def test_the_document_has_the_figures_of_klings_price_list(
    two_at_once: tuple[Ended, Ended],
) -> None:
    """5 s of v3 std is 3 units, of v2-6 pro with sound 5, v1-6 std 2, an omni edit 1.2 a second.

    A unit is 140,000 micros; an omni edit's length is Kling's to decide, so 15 s are held.
    """
    document = json.loads(two_at_once[0].command.printed)

    assert list(document) == ["tasks", "accounts", "refusals", "audit"]
    assert [outline(task) for task in document["tasks"]] == [
        ("text2video", "fox-1", "succeed", 420_000, 420_000),
        ("image2video", None, "succeed", 700_000, 700_000),
        ("text2video", "boat-1", "failed", 700_000, 0),
        ("multi-image2video", None, "succeed", 280_000, 280_000),
        ("omni-video", "night-1", "succeed", 2_520_000, 840_000),
    ]
    assert {len(task) for task in document["tasks"]} == {7}
    assert len({task["task_id"] for task in document["tasks"]}) == 5
    assert document["accounts"] == [
        {"tenant": "acme", "quota_micros": 8_880_000, "held_micros": 0},
        {"tenant": "globex", "quota_micros": 3_880_000, "held_micros": 0},
    ]
    assert document["refusals"] == [{"http_status": 429, "code": 1102}]
    assert document["audit"]["ok"] is True
    assert document["audit"]["tasks"] == 5


def test_people_get_tables_without_colours_in_a_pipe_and_the_time_it_took(
    two_at_once: tuple[Ended, Ended],
) -> None:
    """No escape sequence, no line of the tables above 80 columns, under 30 s after set-up."""
    command = two_at_once[1].command

    took = re.search(r"(\d+) of (\d+) checks hold, ([\d.]+) s after set-up", command.printed)
    tables, _, _ = command.printed.partition("Refused:")

    assert took is not None
    assert took[1] == took[2]
    assert float(took[3]) < 30
    assert max(map(len, tables.splitlines())) <= 80
    assert "5 ends, told 6 times; 4 successes, charged 4 times" in command.printed
    assert "\x1b" not in command.printed + command.said
    assert command.said.count("submitted") == 5
    assert "refused" in command.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_in_the_middle_cleans_up(places: Places, number: signal.Signals) -> None:
    """It says so, prints no result, exits as by that signal, and leaves nothing."""
    with running_demo(*places, "--json") as command:
        command.wait_for("submitted")

        command.send(number)
        exit_code = command.wait()

    assert exit_code == 128 + number
    assert command.printed == ""
    assert "Stopped" in command.said
    assert not any(map(is_listening, command.ports))
    assert await databases_of(places) is None
    assert list(places.logs.iterdir()) == []


async def test_a_killed_demo_ends_its_processes_and_the_next_drops_its_database(
    places: Places,
) -> None:
    """After SIGKILL no port answers; the database stays, and goes when another demo begins."""
    with running_demo(*places) as command:
        command.wait_for("submitted")

        command.send(signal.SIGKILL)
        command.wait()
    block_until(lambda: not any(map(is_listening, command.ports)))
    with embedded_postgres(places.data_dir) as server:
        left = await fetch(server.url("postgres"), DEMO_DATABASES)
        async with demo_database(server) as own:
            beside = await fetch(server.url("postgres"), DEMO_DATABASES)
    shutil.rmtree(places.logs)
    places.logs.mkdir()

    assert len(command.ports) == 2
    assert isinstance(left, list)
    assert len(left) == 1
    assert left[0] != own
    assert beside == [own]
    assert await databases_of(places) is None


async def test_a_wrong_figure_fails_the_demo_and_is_named(places: Places) -> None:
    """One micro taken from a quota behind the ledger's back: exit 1, and both who notice say it."""
    with running_demo(*places, "--json") as command:
        command.wait_for("submitted")
        name = re.search(r"relay_demo_[0-9a-f]{8}", command.said)
        assert name is not None
        with embedded_postgres(places.data_dir) as server:
            await fetch(
                server.url(name[0]),
                "UPDATE accounts SET quota_micros = quota_micros - 1 WHERE id = 1",
            )

        exit_code = command.wait()
    logs = {path.name for path in places.logs.glob("relay-demo-*/*")}
    shutil.rmtree(places.logs)
    places.logs.mkdir()

    assert exit_code == 1
    assert "wrong: quota of acme: expected 8880000, found 8879999" in command.said
    assert json.loads(command.printed)["audit"]["ok"] is False
    assert str(places.logs) in command.said
    assert logs == {"sandbox.log", "serve.log", "kling.jsonl"}
    assert await databases_of(places) is None


async def test_a_kept_demo_serves_what_it_prints(places: Places) -> None:
    """Its curl line, its Python snippet and both its links work; Ctrl-C ends it with 0."""
    with running_demo(*places, "--keep") as command:
        command.wait_for("Ctrl-C ends them")
        command.wait_for("relay console open")  # the two streams arrive in any order

        created = post_as_curl(command.printed)
        video = run_snippet(command.printed)
        tasks, codes, invoices = enter(
            command.printed, "console", "tasks", "money/codes", "money/invoices"
        )
        of_acme, money = enter(command.printed, "portal", "tasks", "money/invoices")
        command.send(signal.SIGINT)
        exit_code = command.wait()

    assert created["data"]["task_status"] == "submitted", created
    assert re.match(r"succeed http://127\.0\.0\.1:\d+/sandbox/files/\d+\.mp4$", video)
    assert tasks.count('data-drawer="#task"') > 2, "the demo's own, and what was made since"
    assert of_acme.count('data-drawer="#task"') > 1
    assert "spring" in codes
    assert "Acme Video Ltd" in invoices
    assert "Acme Video Ltd" in money
    assert "globex" not in of_acme + money
    assert exit_code == 0
    assert not any(map(is_listening, command.ports))
    assert await databases_of(places) is None


async def test_a_port_taken_meanwhile_is_not_the_end(database_url: str, tmp_path: Path) -> None:
    """The relay that finds its port taken is started again on the next one."""
    with socket.create_server(LOOPBACK) as taken, socket.create_server(LOOPBACK) as other:
        taken_port, free_port = taken.getsockname()[1], other.getsockname()[1]
        other.close()

        async with running_relay(
            tmp_path,
            database_url=database_url,
            secret_key=new_secret_key(),
            ports=iter([taken_port, free_port]),
        ) as relay:
            url, was_listening = relay.url, is_listening(free_port)

    assert url == f"http://127.0.0.1:{free_port}"
    assert was_listening
    assert not is_listening(free_port)


async def databases_of(places: Places) -> Any:
    with embedded_postgres(places.data_dir) as server:
        return await fetch(server.url("postgres"), DEMO_DATABASES)


def outline(task: dict[str, Any]) -> tuple[object, ...]:
    names = ("endpoint", "external_task_id", "status", "held_micros", "charged_micros")
    return tuple(task[name] for name in names)


def enter(printed: str, site: str, *pages: str) -> list[str]:
    """Follow a printed link and press its button, as a browser does; read some pages."""
    (link,) = (line for line in printed.splitlines() if f"/{site}/enter?key=" in line)
    place, _, key = link.partition(f"/{site}/enter?key=")
    headers = {"origin": place}
    with httpx.Client(base_url=place, headers=headers, timeout=PATIENCE_S) as browser:
        assert "<button" in browser.get(link).text
        entered = browser.post(f"/{site}/enter", data={"key": key})
        assert entered.headers["location"] == f"/{site}"
        return [browser.get(f"/{site}/{page}").text for page in pages]


def post_as_curl(printed: str) -> Any:
    """Send what the printed curl line sends; not every machine has curl."""
    (line,) = (line for line in printed.splitlines() if line.startswith("curl "))
    words = shlex.split(line)
    headers = [words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H"]
    reply = httpx.post(
        next(word for word in words if word.startswith("http")),
        headers=dict(headers),
        content=words[words.index("-d") + 1],
        timeout=PATIENCE_S,
        trust_env=False,
    )
    return reply.json()


def run_snippet(printed: str) -> str:
    found = re.search(r"^import time.*?^print\(.*?$", printed, re.DOTALL | re.MULTILINE)
    assert found is not None
    command = [sys.executable, "-c", found[0]]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return ran.stdout
