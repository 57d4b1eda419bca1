"""Copiers and uploaders that are killed, each after another step; one process forks them all.

    python -m tests.assets.killed_copier DATABASE_URL FOLDER

Each copier claims one asset and copies it until its step is done, and then dies of SIGKILL; each
uploader takes a file of the first tenant's.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, cast

from relay.assets.copier import Copier
from relay.assets.store import AssetStore
from relay.assets.uploader import Uploader
from relay.channels.directory import ChannelDirectory
from relay.counts import Counts
from relay.database.driver import Pool
from relay.database.engine import open_engine, open_pool, open_sessions
from relay.database.opener import Opener
from relay.results.files import Files
from relay.secrets import KeyRing, new_secret_key

UPLOADED = b"\x89PNG\r\n\x1a\n" + bytes(300_000)
UPLOAD_STEPS = ("reserved", "putting", "put", "kept")
STEPS = ("claimed", "fetched", "reserved", "putting", "put", "kept")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingPool:
    """A pool in whose process a step is the last one."""

    def __init__(self, pool: Pool, step: str) -> None:
        self._pool = pool
        self._step = step

        self._begun = 0

    async def fetch(self, *asked: Any) -> Any:
        return await self._pool.fetch(*asked)

    async def fetchrow(self, *asked: Any) -> Any:
        found = await self._pool.fetchrow(*asked)
        assert self._step == "kept", "a copy ends with it"
        die()
        return found

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        self._begun += 1
        is_claim = self._begun == 1
        if self._step == "fetched" and not is_claim:
            die()
        async with self._pool.begin() as connection:
            yield connection
        if self._step == ("claimed" if is_claim else "reserved"):
            die()


class DyingStore(AssetStore):
    """A store in whose process a step is the last one."""

    step = ""

    async def put(self, key: str, content: BinaryIO, *, size: int, content_type: str) -> None:
        given = Half(content) if self.step == "putting" else content
        await super().put(key, cast("BinaryIO", given), size=size, content_type=content_type)
        if self.step == "put":
            die()


class Half:
    """A file of which nobody reads the second half."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content

    def seek(self, *where: int) -> int:
        return self._content.seek(*where)

    def tell(self) -> int:
        return self._content.tell()

    def read(self, size: int = -1) -> bytes:
        piece = self._content.read(max(1, size // 2))
        if not piece:
            die()
        return piece

    def readable(self) -> bool:
        return True


class UploadsPool:
    """A pool in whose process one of an upload's transactions is the last one."""

    def __init__(self, pool: Pool, step: str) -> None:
        self._pool = pool
        self._step = step
        self._begun = 0

    async def fetchrow(self, *asked: Any) -> Any:
        return await self._pool.fetchrow(*asked)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        self._begun += 1
        async with self._pool.begin() as connection:
            yield connection
        if self._step == ("reserved" if self._begun == 1 else "kept"):
            die()


async def upload_until(step: str, url: str, folder: str) -> None:
    pool = await open_pool(Opener(url), connections=2, counts=Counts())
    store = DyingStore(folder, dict)
    store.step = step
    uploader = Uploader(
        *(cast("Pool", UploadsPool(pool, step)), store), days=7, bytes_max=10**9, counts=Counts()
    )

    async def pieces() -> AsyncIterator[bytes]:
        yield UPLOADED + step.encode()

    tenant_id = await pool.fetchval("SELECT min(id) FROM tenants")
    await uploader.take(tenant_id, pieces(), size=None)


async def copy_until(step: str, url: str, folder: str) -> None:
    opener = Opener(url)
    pool = await open_pool(opener, connections=2, counts=Counts())
    sessions = open_sessions(open_engine(opener))
    store = DyingStore(folder, dict)
    store.step = step
    copier = Copier(
        cast("Pool", DyingPool(pool, step)),
        files=Files(),
        store=store,
        directory=ChannelDirectory(sessions, KeyRing.parse(new_secret_key())),
        counts=Counts(),
    )
    [due] = await copier.claim_due(1)
    await copier.copy(due)


def main() -> None:
    """Say of each step by which signal its process ended."""
    for step, work in (
        *((step, copy_until) for step in STEPS),
        *((step, upload_until) for step in UPLOAD_STEPS),
    ):
        child = os.fork()
        if child == 0:
            asyncio.run(work(step, *sys.argv[1:]))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else "lived"
        print(step, ended, file=sys.stderr, flush=True)  # noqa: T201 (the log is on stdout)


if __name__ == "__main__":
    main()
