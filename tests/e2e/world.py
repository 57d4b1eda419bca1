"""A reseller's whole world: database, Kling, relays, tenants; all of it real but Kling."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from relay.database.engine import open_engine, open_sessions
from relay.ledger.invariants import audit
from relay.secrets import KeyRing, new_secret_key
from relay.tenants.tokens import IssuedToken
from tests.e2e.books import find_differences
from tests.e2e.processes import REPOSITORY, Process, free_port, running
from tests.relay_app import CLIP, TEXT2VIDEO, Relay, bearer
from tests.waiting import PATIENCE_S, settle_for, wait_until

QUICK = {
    "kling_timeout_s": 20,
    "submit_timeout_s": 2,
    "refresh_s": 0.3,
    "lost_looks": 2,
    "lost_after_s": 1,
    "drain_s": 10,
    "office_port": 0,
}
"""A submit that nobody finished is looked for after 2 s, and given up about 2 s later."""

OPEN = """
SELECT id, state, kling_id, look_attempts, not_found, next_look_at - now() AS next_look, look_lease
FROM tasks WHERE hold_ended_at IS NULL
"""
END_LEASES = "UPDATE tasks SET next_look_at = now() WHERE look_lease IS NOT NULL"


class World(Relay):
    """What `Relay` does through a client in process, this does through sockets."""

    def __init__(self, database_url: str, sandbox: Process, directory: Path) -> None:
        self._idle = []
        self._engine = open_engine(database_url, connections=1)
        self._secret_key = new_secret_key()
        self._directory = directory
        self._started = 0
        self.sessions = open_sessions(self._engine)
        self.keys = KeyRing.parse(self._secret_key)
        self.database_url = database_url
        self.kling = sandbox
        self.kling_url = ""
        self.port = free_port()
        self.code = REPOSITORY
        """Whose `relay` commands are run: another checkout's, where an older one is to be."""
        self.http = httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def relay(self, *, port: int | None = None, **settings: object) -> Iterator[Process]:
        """Start `relay serve`, by default where the one before it listened."""
        with self.command("serve", "--port", str(port or self.port), **settings) as process:
            yield process

    @contextlib.contextmanager
    def command(self, *arguments: str, **settings: object) -> Iterator[Process]:
        self._started += 1
        log_path = self._directory / f"{self._started}-{arguments[0]}.log"
        given: dict[str, Any] = {"database_url": self.database_url, "secret_key": self._secret_key}
        given |= QUICK | settings
        with running(*arguments, log_path=log_path, code=self.code, **given) as process:
            yield process

    @contextlib.asynccontextmanager
    async def started_relay(self, **settings: Any) -> AsyncIterator[Process]:
        with self.relay(**settings) as process:
            await process.logged("serve.started")
            yield process

    async def send(
        self, token: IssuedToken, body: dict[str, Any], *, url: str | None = None
    ) -> httpx.Response:
        target = (url or self.url) + TEXT2VIDEO
        return await self.http.post(target, headers=bearer(token), json={**CLIP, **body})

    async def ask(self, token: IssuedToken, key: str, *, url: str | None = None) -> httpx.Response:
        return await self.http.get(f"{url or self.url}{TEXT2VIDEO}/{key}", headers=bearer(token))

    async def kling_log(self, event: str = "accepted") -> list[dict[str, Any]]:
        """What Kling did: the truth."""
        entries = (await self.http.get(f"{self.kling_url}/sandbox/log")).json()
        return [entry for entry in entries if entry["event"] == event]

    async def kling_accepted(self, number: int = 1) -> list[dict[str, Any]]:
        """Wait until Kling has accepted this many."""

        async def enough() -> list[dict[str, Any]]:
            accepted = await self.kling_log()
            return accepted if len(accepted) >= number else []

        return await wait_until(enough)

    async def tasks(self) -> list[Any]:
        return await self.rows("SELECT * FROM tasks ORDER BY id")

    async def held(self) -> Any:
        """Wait for a task with its hold, and return its row."""
        return (await wait_until(self.tasks))[0]

    async def channels_changed(self) -> None:
        """Leave it to the processes, which read channels every two seconds."""

    async def end_leases(self) -> None:
        """Give a killed worker's rows to others, instead of waiting for a minute: its lease."""
        await self.rows(END_LEASES)

    async def settle(self) -> None:
        """Wait until Kling has ended all it accepted and no hold is open."""
        await self.end_leases()

        left: list[str] = []

        async def nothing_is_open() -> bool:
            accepted, ended = await self.kling_log(), await self.kling_log("ended")
            left[:] = [str(row) for row in await self.rows(OPEN)]
            left.extend(["Kling's own"] * (len(accepted) - len(ended)))
            return not left

        await wait_until(nothing_is_open, what=lambda: f"still open: {left}")

    async def heal(self) -> None:
        """Have all processes forget what they learned of how channels do."""
        connection = await asyncpg.connect(self.database_url)
        await connection.execute("DELETE FROM channel_conditions")
        await connection.close()
        await settle_for(1.5, because="what others learned is read once a second")

    async def check_books(self) -> None:
        """Everything is charged, once, as Kling's log says; nothing is held; the audit agrees."""
        connection = await asyncpg.connect(self.database_url)
        try:
            tasks = await connection.fetch("SELECT * FROM tasks")
            entries = await connection.fetch("SELECT * FROM entries WHERE kind <> 'topup'")
            held = await connection.fetchval("SELECT sum(held_micros) FROM accounts")
        finally:
            await connection.close()
        async with self.sessions() as session:
            report = await audit(session)
        accepted, ended = await self.kling_log(), await self.kling_log("ended")
        differences = find_differences(tasks, entries, accepted=accepted, ended=ended)
        assert not differences, differences
        assert held == 0, held
        assert report.ok, report.differences

    async def aclose(self) -> None:
        await super().aclose()
        await self.http.aclose()
        await self._engine.dispose()


@contextlib.asynccontextmanager
async def open_world(
    database_url: str, directory: Path, *, task_seconds: float = 0.3, concurrency: int = 1000
) -> AsyncIterator[World]:
    arguments = ("sandbox", "--port", "0", "--concurrency", str(concurrency))
    with running(
        *arguments, "--task-seconds", str(task_seconds), log_path=directory / "sandbox.log"
    ) as sandbox:
        world = World(database_url, sandbox, directory)
        world.kling_url = (await sandbox.logged("sandbox.started"))["url"]
        try:
            yield world
        finally:
            await world.aclose()
