"""How commands share one embedded server: who starts it, who keeps it, when it ends."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.database.embedded import embedded_postgres
from relay.database.embedded.supervisor import LIFE_MIN_S
from tests.database.embedded_command import (
    LINGER_S,
    Command,
    arguments_of,
    fetch,
    is_alive,
    joined,
    running,
    wait_until_stopped,
)
from tests.waiting import PATIENCE_S, block_for, block_until, settle_for


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """A directory that the server's own user can enter, also when we are root."""
    top = Path(tempfile.mkdtemp(prefix="kling-relay-tests-"))
    top.chmod(0o711)
    yield top / "data"
    shutil.rmtree(top)


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    """The same data for all tests here, each of which begins and ends with nothing running."""
    yield made_once
    wait_until_stopped(made_once)


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """A data directory in which no server has ever started."""
    top = Path(tempfile.mkdtemp(prefix="kling-relay-tests-"))
    top.chmod(0o711)
    yield top / "data"
    wait_until_stopped(top / "data")
    shutil.rmtree(top)


async def test_a_restart_keeps_the_data(data_dir: Path) -> None:
    """What was committed is there after the server was stopped and started."""
    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        await fetch(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    wait_until_stopped(data_dir)

    with embedded_postgres(data_dir, linger_s=LINGER_S) as server:
        answer = await fetch(server.url(), "SELECT answer FROM kept")

    assert answer == 42


async def test_the_first_command_to_end_stops_nothing(data_dir: Path) -> None:
    """The command that started the server ends; five lingers later the other one still has it."""
    with joined(data_dir) as first, joined(data_dir) as second:
        first.end()
        await settle_for(5 * LINGER_S, because="without its second user it would have stopped")
        answer = await fetch(second.url, "SELECT 42")

    assert answer == 42


@pytest.mark.parametrize("ending", ["end", "kill"])
def test_nothing_is_left_running_after_the_last_command(data_dir: Path, ending: str) -> None:
    """Supervisor and server end by themselves, SIGKILL of the command included.

    The command's own child, which inherited what it could, lives on and keeps nothing.
    """
    with joined(data_dir) as first, joined(data_dir) as second:
        state = running(data_dir)
        getattr(first, ending)()
        getattr(second, ending)()

        block_until(lambda: not is_alive(state["supervisor"]))

    assert not is_alive(state["postmaster"])


def test_the_server_lingers_before_it_stops(data_dir: Path) -> None:
    """A command that comes within the linger finds the same server."""
    with embedded_postgres(data_dir, linger_s=PATIENCE_S):
        before = running(data_dir)["postmaster"]
    block_for(0.5, because="without a linger it would have stopped")

    with embedded_postgres(data_dir):
        after = running(data_dir)["postmaster"]
    os.kill(running(data_dir)["supervisor"], signal.SIGTERM)  # nobody need wait for the linger

    assert before == after


async def test_a_killed_supervisor_is_replaced_by_the_next_command(data_dir: Path) -> None:
    """SIGKILL of the supervisor under a user: the next one gets a working server and the data."""
    with joined(data_dir) as orphaned:
        await fetch(orphaned.url, "CREATE TABLE survived AS SELECT 42 AS answer")
        state = running(data_dir)
        os.kill(state["supervisor"], signal.SIGKILL)

        with joined(data_dir) as next_one:
            answer = await fetch(next_one.url, "SELECT answer FROM survived")
            after = running(data_dir)

    assert answer == 42
    assert not is_alive(state["postmaster"])
    assert after["supervisor"] != state["supervisor"]


async def test_a_server_without_a_supervisor_is_replaced(data_dir: Path) -> None:
    """Where the kernel does not end an orphan, the next command does; its data is in use once."""
    with joined(data_dir):
        arguments = arguments_of(running(data_dir)["postmaster"])
    wait_until_stopped(data_dir)
    user = (data_dir / "postgres/cluster").stat().st_uid if os.geteuid() == 0 else None
    orphan = subprocess.Popen(arguments, user=user, cwd="/", stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - nothing else runs here
    block_until((data_dir / "postgres/cluster/postmaster.pid").exists)
    started_at = time.monotonic()

    with joined(data_dir) as command:
        answer = await fetch(command.url, "SELECT 42")
        ended = orphan.poll()

    assert answer == 42
    assert ended == 0
    assert time.monotonic() - started_at < 50  # an orphan finds out by itself after a minute


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux tells a child of it")
def test_a_killed_supervisor_leaves_no_server_behind(data_dir: Path) -> None:
    """SIGKILL of the supervisor ends the server, though no other command ever comes."""
    with joined(data_dir):
        state = running(data_dir)

        os.kill(state["supervisor"], signal.SIGKILL)

        block_until(lambda: not is_alive(state["postmaster"]))


async def test_a_killed_server_is_started_again(data_dir: Path) -> None:
    """SIGKILL of PostgreSQL itself under a user: seconds later it can connect again."""
    with joined(data_dir) as command:
        state = running(data_dir)
        await settle_for(LIFE_MIN_S + 0.1, because="a server that ends sooner is given up")

        os.kill(state["postmaster"], signal.SIGKILL)

        block_until(lambda: running(data_dir).get("postmaster", 0) not in {0, state["postmaster"]})
        assert await fetch(command.url, "SELECT 42") == 42


def test_first_time_starts_at_the_same_moment_share_one_server(empty_dir: Path) -> None:
    """Four processes start at once where there is nothing yet: one server, all of them use it."""
    commands = [Command(empty_dir) for _ in range(4)]

    urls = [command.wait_until_joined() for command in commands]
    answers = [asyncio.run(fetch(url, "SELECT pg_postmaster_start_time()")) for url in urls]
    for command in commands:
        command.close()

    assert len(set(urls)) == 1
    assert len(set(answers)) == 1


def test_a_command_that_comes_during_the_linger_always_has_a_server(data_dir: Path) -> None:
    """Three threads join and leave 10 times each, with pauses about as long as the linger."""
    failures: list[Exception] = []
    servers: set[int] = set()

    def come_and_go(seed: int) -> None:
        pause = random.Random(seed)
        for _ in range(10):
            try:
                with embedded_postgres(data_dir, linger_s=0.1) as server:
                    asyncio.run(fetch(server.url(), "SELECT 1"))
                    servers.add(running(data_dir)["postmaster"])
                    block_for(pause.uniform(0, 0.05), because="others come and go meanwhile")
                    asyncio.run(fetch(server.url(), "SELECT 1"))
            except Exception as error:  # noqa: BLE001 - a thread's exception would be lost
                failures.append(error)
            block_for(pause.uniform(0.1, 0.5), because="about as long as the linger")

    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(servers) > 1  # else nobody ever came while one was stopping


async def test_an_interrupted_first_start_is_made_good(empty_dir: Path) -> None:
    """SIGKILL of the supervisor in the middle of initdb: the next command starts from nothing."""
    interrupted = Command(empty_dir)
    postgres = empty_dir / "postgres"
    block_until(lambda: any(postgres.glob("cluster.partial-*/global")))
    os.kill(running(empty_dir)["supervisor"], signal.SIGKILL)
    complaint = interrupted.wait_until_joined()
    interrupted.close()

    with joined(empty_dir) as command:
        answer = await fetch(command.url, "SELECT current_database()")

    assert "The supervisor of the embedded Postgres died" in complaint
    assert answer == "relay"
    assert list(postgres.glob("cluster.partial-*")) == []
