"""Where Kling's files lie, of which many cannot be had, and a relay that copies them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import relay.sandbox
from relay.desk.tenants import TenantChanges, change_tenant
from relay.sandbox.settings import SandboxSettings
from relay.secrets import KeyRing, new_secret_key
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, Relay, fixture_relay
from tests.waiting import wait_until

VIDEO = (Path(relay.sandbox.__file__).parent / "media" / "clip.mp4").read_bytes()
PICTURE = (Path(relay.sandbox.__file__).parent / "media" / "image.png").read_bytes()
FILES_URL = "http://files.test"
OK = b"HTTP/1.1 200 OK\r\n"


class Host:
    """Answers each path as `answers` says; what is not in there is the sandbox's video."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.posted: list[dict[str, Any]] = []
        """What was told here."""
        self.held = asyncio.Event()
        """Those of `/held…` wait for it in their midst."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path = head.split()[:2]
        if method == "POST":
            length = int(head.lower().partition("content-length:")[2].split()[0])
            self.posted.append(json.loads(await reader.readexactly(length)))
            writer.write(OK + b"Content-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        self.asked.append(path)
        with contextlib.suppress(OSError):
            if path == "/endless":
                writer.write(OK + b"\r\n")
                while True:
                    writer.write(VIDEO[:32] + b"\0" * 65536)
                    await writer.drain()
            answer = self.answers.get(path.partition("?")[0], told(VIDEO))
            half = len(answer) // 2
            writer.write(answer[:half])
            await writer.drain()
            if path.startswith("/held"):
                await self.held.wait()
            writer.write(answer[half:])
            await writer.drain()
        writer.close()


def told(content: bytes, *, length: int | None = None) -> bytes:
    """Spell an answer with this content, said to be so long."""
    return OK + b"Content-Length: %d\r\n\r\n" % (length or len(content)) + content


class Keeper:
    """A relay whose worker copies what is noted, from `host`."""

    def __init__(self, relay: Relay, host: Host, folder: Path, secret: str) -> None:
        self.relay = relay
        self.host = host
        self.folder = folder
        """Of its store."""
        self.secret = secret
        """Its RELAY_SECRET_KEY."""

    async def add_tenant(self, name: str, **changes: Any) -> IssuedToken:
        """Open one that keeps its results for 30 days, unless told otherwise."""
        token = await self.relay.add_tenant(name)
        wanted = TenantChanges(**{"keep_results_days": 30} | changes)
        async with self.relay.sessions.begin() as session:
            await change_tenant(session, ACTOR, name, wanted)
        return token

    async def make(self, token: IssuedToken, body: Any = None, **more: Any) -> str:
        """Have Kling make something, and return its id once the relay knows that it did."""
        made = await self.relay.submit(token, body, **more)
        key = made.json()["data"]["task_id"]

        async def is_made() -> bool:
            seen = await self.relay.get(token, key, **more)
            return bool(seen.json()["data"]["task_status"] == "succeed")

        await wait_until(is_made)
        return str(key)

    async def assets(self, key: str) -> list[Any]:
        return await self.relay.rows(
            "SELECT a.* FROM assets a JOIN tasks t ON t.id = a.task_id"
            " WHERE t.kling_id = $1 ORDER BY a.id",
            key,
        )

    async def stored(self, key: str, count: int = 1) -> list[Any]:
        """Wait until so many files of a task are stored."""

        async def found() -> list[Any] | None:
            rows = await self.assets(key)
            return rows if [row["state"] for row in rows] == ["stored"] * count else None

        return await wait_until(found)

    async def note(self, key: str, url: str, *, nth: int = 0) -> UUID:
        """Have it copy one more file of a task, from somewhere."""
        rows = await self.relay.rows(
            "INSERT INTO assets (tenant_id, task_id, source, source_url, nth)"
            " SELECT tenant_id, id, 'result', $2, $3 FROM tasks WHERE kling_id = $1"
            " RETURNING public_id",
            *(key, url, nth),
        )
        return UUID(str(rows[0]["public_id"]))

    async def settled(self, public_id: UUID) -> Any:
        """Wait until an asset's first try is over."""

        async def found() -> Any:
            row = await self.row(public_id)
            return row if row["attempts"] and row["lease"] is None else None

        return await wait_until(found)

    async def row(self, public_id: UUID) -> Any:
        return await self.relay.row("SELECT * FROM assets WHERE public_id = $1", public_id)

    def objects(self) -> list[str]:
        """List what lies in the store, by its content's hash."""
        return sorted(
            path.name.partition(".")[0] for path in self.folder.rglob("*") if path.is_file()
        )


@contextlib.asynccontextmanager
async def open_host() -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield host


@contextlib.asynccontextmanager
async def open_keeper(
    database_url: str, folder: Path, *, with_worker: bool = True, **settings: Any
) -> AsyncIterator[Keeper]:
    """Run a relay with its worker; Kling's files lie on a host of the test's, on a socket."""
    secret = new_secret_key()
    async with open_host() as host:
        sandbox = SandboxSettings(task_seconds=0.1, concurrency=10_000, public_url=host.url)
        async with fixture_relay(
            database_url,
            sandbox=sandbox,
            with_worker=with_worker,
            refresh_s=0.0,
            asset_store=str(folder),
            keys=KeyRing.parse(secret),
            **settings,
        ) as relay:
            await relay.add_channel(base_url=host.url)
            yield Keeper(relay, host, folder, secret)
