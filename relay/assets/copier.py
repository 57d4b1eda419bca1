"""Copies of results: what Kling made for tenants who keep it, fetched once each and put away.

A task's follower notes where its files lie (`Noter`), and a sweep of the worker copies them
(`Copier`): fetched to a file without a name, hashed, put into the store, and only then said to be
stored. Whatever breaks off, the lease of the row brings it back.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from relay.assets.reserve import OverLimit, reserve
from relay.assets.schedule import GONE_AFTER_S, KLING_KEEPS_S, pause_s
from relay.assets.spool import NotKept, Spool, TooLarge
from relay.assets.statements import (
    CLAIM,
    KEEP,
    LEASE_S,
    LOSE,
    NOTE,
    PUT_OFF,
    ROOM_OF,
    TAKE_TURN,
    WHAT_WAS_MADE,
)
from relay.assets.store import AssetStore, StoreFailed, key_of
from relay.channels.directory import ChannelDirectory
from relay.counts import Counts
from relay.database.driver import Pool, Record
from relay.database.faults import is_fault, log_failure
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
STORED, PUT_OFF_, LOST, UPLOAD = "stored", "put_off", "lost", "upload"


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
        # One that has a newer signature has the same name, and its place among those of that name.
        seen: Counter[str] = Counter()
        nths = []
        for url in urls:
            name = url.partition("?")[0]
            nths.append(seen[name])
            seen[name] += 1
        if urls:
            await self._pool.execute(NOTE, task_id, urls, nths)


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


class Room(msgspec.Struct, frozen=True):
    """What a tenant with a bound may still keep."""

    bytes_max: int
    bytes: int
    sizes: list[int]
    """Of what it has: of a file of such a size nobody knows yet whether it is kept already."""

    def takes(self, size: int) -> bool:
        """Tell whether a file so large may be one that the tenant keeps."""
        return size <= self.bytes_max - self.bytes or size in self.sizes

    def check(self, size: int) -> None:
        """Raise OverLimit if it cannot be kept."""
        if not self.takes(size):
            raise OverLimit(self.bytes_max)

    @property
    def largest(self) -> int:
        """The size that none which it takes exceeds."""
        return max([self.bytes_max - self.bytes, *self.sizes])


class Vain(msgspec.Struct, frozen=True):
    """Why a try came to nothing."""

    reason: str
    is_gone: bool = False
    is_hopeless: bool = False


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
        self._after = 0
        """The tenant whose turn was last."""
        for result in (STORED, PUT_OFF_, LOST, UPLOAD):
            counts.asset_copies.begin(result)

    async def claim_due(self, limit: int) -> list[Due]:
        """Lease rows that are due, by turns among tenants."""
        began_after = self._after
        leased = await self._claim(limit)
        if len(leased) < limit and began_after > 0:
            leased += await self._claim(limit - len(leased))
        return leased

    async def _claim(self, limit: int) -> list[Due]:
        """Lease those of the tenants whose turn it is, and say whose is next."""
        async with self._pool.begin() as connection:
            await connection.execute(TAKE_TURN)
            records = await connection.fetch(CLAIM, limit, self._lease_s, self._after)
        leased = [_due(record) for record in records if record["id"] is not None]
        if len(leased) == limit:
            self._after = max(due.tenant_id for due in leased)
        else:
            last = next(record["last_tenant_id"] for record in records if record["id"] is None)
            self._after = last or 0
        return leased

    async def copy(self, due: Due) -> None:
        """Make one try, and write down what came of it."""
        if due.attempts > 1 and due.age_s > KLING_KEEPS_S + GONE_AFTER_S:
            # Whoever tried before came to no end of it, not even in vain.
            await self._end_try(due, "Kling has it no more", None)
            return
        try:
            async with asyncio.timeout(COPY_S):
                await self._copy(due)
        except Exception as error:
            vain = _vain(error)
            if vain is None:
                if is_fault(error):
                    raise  # nothing can be written down either: its lease brings it back
                log_failure(log, "asset.copy_failed", error, asset=due.id)
                vain = Vain(f"a fault of the relay's own ({type(error).__name__})")
            rests_s = None
            if not vain.is_hopeless:
                rests_s = pause_s(due.attempts, age_s=due.age_s, is_gone=vain.is_gone)
            await self._end_try(due, vain.reason, rests_s)

    async def _end_try(self, due: Due, reason: str, rests_s: float | None) -> None:
        """Write down that it came to nothing, and when it is tried again, if ever."""
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
            object_id, is_stored = await reserve(
                self._pool, due.tenant_id, spool.sha256, spool.bytes
            )
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
            OverLimit: its tenant has no room for it, nor has it already.
        """
        room = await self._room_of(due.tenant_id)
        if room is not None and room.largest <= 0:
            raise OverLimit(room.bytes_max)
        url, sandbox_url = due.url, await self._directory.sandbox_url(due.channel_id)
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
            if told is not None and told.isdecimal():
                if int(told) > self._file_bytes_max:
                    raise TooLarge(f"it has more than {self._file_bytes_max:,} bytes")
                if room is not None:
                    room.check(int(told))
            await spool.take(file.pieces() if room is None else _within(room, file.pieces()))
        finally:
            file.close()
        if told is not None and told != str(spool.bytes):
            raise FileUnreachable(f"{spool.bytes} bytes came, and it was said to have {told}")

    async def _room_of(self, tenant_id: int) -> Room | None:
        """Say what its tenant may still keep; None of one that may keep any."""
        records = await self._pool.fetch(ROOM_OF, tenant_id)
        return Room(*records[0][:]) if records else None


async def _within(room: Room, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass a file on for as long as its tenant may have it, or has it."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > room.largest:
            raise OverLimit(room.bytes_max)
        yield piece


def _vain(error: Exception) -> Vain | None:
    """Say why a try came to nothing; None of what no try should come to."""
    match error:
        case FileGone():
            return Vain("its host says that it is gone", is_gone=True)
        case TooLarge():
            return Vain(str(error), is_hopeless=True)
        case FileUnreachable() | NotKept() | OverLimit() | StoreFailed():
            return Vain(str(error))
        case TimeoutError():
            return Vain(f"it took longer than {COPY_S:.0f} s")
        case OSError():
            return Vain(f"it could not be written to disk: {error.strerror or error}")
        case _:
            return None


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
