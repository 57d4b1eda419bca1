"""All contenders of one round, one after the other, and what they share."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from relay.database.embedded import embedded_postgres, locks
from tests.benchmarks import machine
from tests.benchmarks.bare_hold import measure_holds
from tests.benchmarks.books import Books, Task
from tests.benchmarks.litellm import LITELLM_KEY, LITELLM_PATH, running_litellm
from tests.benchmarks.loads import BODY, CLIENTS, Plan, polls, submits
from tests.benchmarks.servers import Server, Stub, running_proxy, running_stub
from tests.benchmarks.works import SLOW_PAUSE_MS, RelayRound
from tests.benchmarks.wrk import Load, Measured, Request, VoidRoundError, measure
from tests.waiting import block_for

BASE = "benchmark_base"
STUB_TIMES_MIN = 1.5
POSTGRES_STOPS_S = 60.0


class Contenders:
    """What rounds are made of; the stub and the databases serve all of them."""

    def __init__(self, books: Books, stub: Stub, directory: Path, plan: Plan) -> None:
        self.books, self.stub, self.directory, self.plan = books, stub, directory, plan
        self.litellm: Path | None = None

    async def round(self) -> dict[str, Measured]:
        """All contenders once.

        Raises:
            VoidRoundError
        """
        found = await self._others()
        for tenants in (1000, 1):
            found[f"pgbench: {tenants}"] = await measure_holds(
                self.books,
                self.directory,
                template=BASE,
                tenants=tenants,
                seconds=self.plan.seconds / 2,
            )
        found |= await self.relay(BASE)
        if self.litellm:
            found["litellm: submit"] = await self._litellm(self.litellm)
        return found

    async def relay(self, template: str, *, is_growth: bool = False) -> dict[str, Measured]:
        """The relay alone; with `is_growth` in the template itself.

        Raises:
            VoidRoundError
        """
        relay = RelayRound(self.books, self.stub, self.directory, template=template, plan=self.plan)
        return {
            f"relay: {work}": measured
            for work, measured in (await relay.run(is_growth=is_growth)).items()
        }

    async def _others(self) -> dict[str, Measured]:
        """The stub alone, nginx before it, and one client without anything between."""
        found: dict[str, Measured] = {}
        seconds = self.plan.seconds
        posts = submits(self.books.api_keys)
        gets = polls([Task(self.books.api_keys[0], f"task-{n}", "") for n in range(1000)])
        self.stub.say_ended(is_ended=False)
        async with running_proxy(self.directory, upstream=self.stub.port) as nginx:
            for name, requests in (("submit", posts), ("poll", gets)):
                load = Load(requests, CLIENTS, seconds, is_cut=True)
                found[f"nginx: {name}"] = await self._plain(load, nginx)
            paced = Load(posts, CLIENTS, seconds, pause_ms=SLOW_PAUSE_MS)
            found["nginx: paced"] = await self._plain(paced, nginx)
        load = Load(posts, CLIENTS, seconds / 2, is_cut=True)
        # From the contender's core: so much can the stub answer when nobody shares its own.
        found["stub"] = await measure(
            [(load, self.stub.port)],
            self.directory,
            pids=[],
            postmaster=0,
            core=machine.CONTENDER_CORE,
        )
        if found["stub"].rate < STUB_TIMES_MIN * found["nginx: submit"].rate:
            raise VoidRoundError("the stub is too slow: the round measures the stub")
        for name, requests in (("submit", posts), ("poll", gets)):
            load = Load(requests, 1, seconds / 2)
            found[f"direct: {name}"] = await measure(
                [(load, self.stub.port)], self.directory, pids=[], postmaster=0
            )
        return found

    async def _plain(self, load: Load, server: Server) -> Measured:
        return await measure([(load, server.port)], self.directory, pids=[server.pid], postmaster=0)

    async def _litellm(self, program: Path) -> Measured:
        async with running_litellm(
            self.directory, program=program, upstream=self.stub.port
        ) as server:
            requests = [Request(LITELLM_PATH, LITELLM_KEY, BODY)]
            await self._plain(Load(requests, 8, 2), server)
            return await self._plain(Load(requests, 32, max(5, self.plan.seconds)), server)


@contextlib.asynccontextmanager
async def open_contenders(plan: Plan, *, keep: bool) -> AsyncIterator[Contenders]:
    """Start what all rounds share; nothing of it is left at the end, unless `keep`.

    Raises:
        machine.MissingProgramError: nginx cannot be had.
        EmbeddedPostgresError: nor can Postgres.
        VoidRoundError: the stub does not start.
    """
    os.sched_setaffinity(0, {machine.LOAD_CORE})  # Postgres and all others inherit it
    top, directory = make_folders()
    try:
        with embedded_postgres(top / "data", linger_s=0.5) as server:
            books = Books(server)
            async with running_stub(directory, core=machine.LOAD_CORE) as stub:
                await books.create_base(BASE, channel_url=f"http://127.0.0.1:{stub.port}")
                yield Contenders(books, stub, directory, plan)
    finally:
        wait_for_postgres(top / "data")
        if keep:
            sys.stderr.write(f"kept {top}\n")
        else:
            remove(top)


def make_folders() -> tuple[Path, Path]:
    """A place for everything, and in it one for logs and loads."""
    top = Path(tempfile.mkdtemp(prefix="kling-relay-benchmark-"))
    top.chmod(0o711)  # as root, Postgres runs as another user
    directory = top / "run"
    directory.mkdir()
    return top, directory


def wait_for_postgres(data_dir: Path) -> None:
    """Return when the server of this directory has stopped by itself, as without users it does.

    No coroutine: a second Ctrl-C must not end the wait, and leave files that are still written.
    """
    path = data_dir / "postgres" / "supervisor.lock"
    if not path.exists():
        return
    deadline = time.monotonic() + POSTGRES_STOPS_S
    with locks.lock_file(path) as supervisor:
        while not locks.try_lock(supervisor) and time.monotonic() < deadline:
            block_for(0.05, because="it is asked again until the deadline")


def remove(top: Path) -> None:
    """Delete it, and what Postgres as another user had to have elsewhere, if it cannot enter."""
    location = top / "data" / "postgres" / "location"
    if location.exists():
        shutil.rmtree(location.read_text().strip(), ignore_errors=True)
    shutil.rmtree(top, ignore_errors=True)
