"""Copies of results: what Kling made for tenants who keep it, fetched once each and put away.

A task's follower notes where its files lie (`Noter`), and a sweep of the worker copies them
(`Copier`): fetched to a file without a name, hashed, put into the store, and only then said to be
stored. Whatever breaks off, the lease of the row brings it back.
"""

import asyncio
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from relay.assets.schedule import pause_s
from relay.assets.spool import NotKept, Spool, TooLarge
from relay.assets.statements import (
    BYTES_OF,
    CLAIM,
    KEEP,
    LEASE_S,
    LOCK_TENANT,
    LOSE,
    NOTE,
    PUT_OFF,
    RESERVE,
    WHAT_WAS_MADE,
)
from relay.assets.store import AssetStore, StoreFailed, key_of
from relay.channels.directory import ChannelDirectory
from relay.counts import Counts
from relay.database.driver import Pool, Record
from relay.kling.made_files import read_file_urls
from relay.results.files import FileGone, FileMoved, Files, FileUnreachable

log = structlog.get_logger()

COPIES_AT_ONCE = 4
"""In one worker."""
COPY_S = 1000.0
"""For all of a copy, well within its lease."""
FILE_BYTES_MAX = 1024**3
"""Kling's largest results, 30 s in 4K, have some hundred MB."""
REDIRECTS_MAX = 3
URL_CHARS_MAX = 2000
"""More than an index takes; Kling's have some hundred."""
KEPT_DAYS = 30
"""Of what was begun for a tenant that keeps nothing any more."""
STORED, PUT_OFF_, LOST = "stored", "put_off", "lost"


class OverLimit(Exception):
    """The tenant has as many bytes as it may; the message says so."""


class Moved(Protocol):
    """What is told of a task that moved (`tasks/outbox.py`)."""

    @property
    def task_id(self) -> int: ...


class Noter:
    """Notes which files a task made, if its tenant keeps them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def follow(self, move: Moved) -> None:
        """Note what a task made that moved."""
        await self.note(move.task_id)

    async def note(self, task_id: int) -> None:
        """Note them, once each; whoever asks again with newer URLs replaces those."""
        reply = await self._pool.fetchval(WHAT_WAS_MADE, task_id)
        if reply is None:
            return
        urls = [url for url in read_file_urls(reply.encode()) if len(url) <= URL_CHARS_MAX]
        # Two that differ in what is no part of a file's name are one file.
        named = {url.partition("?")[0]: url for url in urls}
        if named:
            await self._pool.execute(NOTE, task_id, list(named.values()))


class Due(msgspec.Struct, frozen=True):
    """A row that this worker alone copies until its lease ends."""

    id: int
    tenant_id: int
    task_id: int
    url: str
    attempts: int
    lease: UUID
    age_s: float
    channel_id: int | None


class Copier:
    """Copies what is due."""

    def __init__(
        self,
        pool: Pool,
        *,
        files: Files,
        store: AssetStore,
        directory: ChannelDirectory,
        counts: Counts,
        lease_s: float = LEASE_S,
        file_bytes_max: int = FILE_BYTES_MAX,
    ) -> None:
        self._pool = pool
        self._files = files
        self._store = store
        self._directory = directory
        self._counts = counts
        self._lease_s = lease_s
        self._file_bytes_max = file_bytes_max
        for result in (STORED, PUT_OFF_, LOST):
            counts.asset_copies.begin(result)

    async def claim_due(self, limit: int) -> list[Due]:
        """Lease rows that are due, by turns among tenants."""
        return [_due(record) for record in await self._pool.fetch(CLAIM, limit, self._lease_s)]

    async def copy(self, due: Due) -> None:
        """Make one try, and write down what came of it."""
        is_gone = is_hopeless = False
        try:
            async with asyncio.timeout(COPY_S):
                await self._copy(due)
        except FileGone:
            is_gone, reason = True, "its host says that it is gone"
        except TooLarge as error:
            is_hopeless, reason = True, str(error)
        except (FileUnreachable, NotKept, OverLimit, StoreFailed) as error:
            reason = str(error)
        except TimeoutError:
            reason = f"it took longer than {COPY_S:.0f} s"
        except OSError as error:
            reason = f"it could not be written to disk: {error.strerror or error}"
        else:
            return
        rests_s = None
        if not is_hopeless:
            rests_s = pause_s(due.attempts, age_s=due.age_s, is_gone=is_gone)
        if rests_s is None:
            await self._pool.execute(LOSE, due.id, due.lease, reason)
        else:
            await self._pool.execute(PUT_OFF, due.id, due.lease, reason, rests_s)
        self._counts.asset_copies.add(LOST if rests_s is None else PUT_OFF_)
        log.warning(
            "asset.not_copied",
            id=due.task_id,
            tenant_id=due.tenant_id,
            asset=due.id,
            attempt=due.attempts,
            reason=reason,
            again_s=rests_s,
        )

    async def _copy(self, due: Due) -> None:
        with Spool(self._store.spool_folder(), bytes_max=self._file_bytes_max) as spool:
            await self._fetch(due, spool)
            content_type = spool.content_type
            object_id, is_stored = await self._reserve(due, spool)
            if not is_stored:
                await self._store.put(
                    key_of(due.tenant_id, spool.sha256, object_id),
                    spool.file,
                    size=spool.bytes,
                    content_type=content_type,
                )
            kept = await self._pool.fetchrow(
                KEEP, due.id, due.lease, object_id, content_type, KEPT_DAYS
            )
        if kept is None:
            log.warning("asset.lease_lost", asset=due.id)
            return
        self._counts.asset_copies.add(STORED)
        self._counts.asset_bytes.add(amount=spool.bytes)
        log.info(
            "asset.stored",
            id=due.task_id,
            tenant_id=due.tenant_id,
            asset=due.id,
            bytes=spool.bytes,
            content_type=content_type,
            attempt=due.attempts,
            is_new=not is_stored,
        )

    async def _fetch(self, due: Due, spool: Spool) -> None:
        """Write the file down, as long as its host said that it is.

        Raises:
            FileGone, FileUnreachable
            TooLarge: it is, or says that it is.
        """
        url, sandbox_url = due.url, await self._sandbox_of(due.channel_id)
        for _ in range(REDIRECTS_MAX + 1):
            if not self._files.may_open(url, sandbox_url=sandbox_url):
                raise FileUnreachable("its host is not one of Kling's")
            try:
                file = await self._files.open(url, sandbox_url=sandbox_url, headers={})
            except FileMoved as moved:
                url = moved.url
                continue
            break
        else:
            raise FileUnreachable("it was said to lie elsewhere too often")
        try:
            if file.status != 200:  # noqa: PLR2004 (the whole of it)
                raise FileUnreachable(f"HTTP {file.status}")
            told = file.header("content-length")
            if told is not None and told.isdecimal() and int(told) > self._file_bytes_max:
                raise TooLarge(f"it has more than {self._file_bytes_max:,} bytes")
            await spool.take(file.pieces())
        finally:
            file.close()
        if told is not None and told != str(spool.bytes):
            raise FileUnreachable(f"{spool.bytes} bytes came, and it was said to have {told}")

    async def _sandbox_of(self, channel_id: int | None) -> str | None:
        """Find the sandbox that made it, if one did: it may stand on a private network."""
        if channel_id is None:
            return None
        channel = await self._directory.get(channel_id)
        return channel.base_url if channel.is_sandbox else None

    async def _reserve(self, due: Due, spool: Spool) -> tuple[int, bool]:
        """Find the content among what its tenant has, or a place for it; tell whether it is there.

        Raises:
            OverLimit: nothing was written.
        """
        async with self._pool.begin() as connection:
            most = await connection.fetchval(LOCK_TENANT, due.tenant_id)
            found = await connection.fetchrow(RESERVE, due.tenant_id, spool.sha256, spool.bytes)
            assert found is not None, "it is found or made"
            if most is not None and await connection.fetchval(BYTES_OF, due.tenant_id) > most:
                raise OverLimit(f"its tenant may keep {most:,} bytes, and has them")
        return found["id"], found["is_stored"]


def _due(record: Record) -> Due:
    return Due(
        id=record["id"],
        tenant_id=record["tenant_id"],
        task_id=record["task_id"],
        url=record["source_url"],
        attempts=record["attempts"],
        lease=record["lease"],
        age_s=record["age_s"],
        channel_id=record["channel_id"],
    )
