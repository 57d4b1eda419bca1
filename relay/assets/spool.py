"""A file under way: written to disk as it comes, measured and hashed, and told what it is.

It has no name, so that nothing of it is left by a process that is killed.
"""

import hashlib
import tempfile
from collections.abc import AsyncIterable
from pathlib import Path
from types import TracebackType
from typing import Self

from relay.assets.kinds import HEAD_BYTES, kind_of
from relay.buckets.threads import in_thread

WRITTEN_AT_ONCE = 1024 * 1024


class NotKept(Exception):
    """It is no file that is kept; the message says why, in words for whoever sent it."""


class TooLarge(NotKept):
    """It has more bytes than are taken."""


class Spool:
    """One file under way; closed, it is gone."""

    def __init__(self, folder: Path | None, *, bytes_max: int) -> None:
        """`folder`: on the disk that has room for it; None is the system's own for such files."""
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `__exit__`)
        self._bytes_max = bytes_max
        self._hash = hashlib.sha256()
        self._head = b""
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.file.close()

    async def take(self, pieces: AsyncIterable[bytes]) -> None:
        """Write all of it, a megabyte at a time, beside the loop.

        Raises:
            TooLarge: the rest was not read.
            OSError: of the disk.
        """
        waiting = bytearray()
        async for piece in pieces:
            waiting += piece
            if self.bytes + len(waiting) > self._bytes_max:
                raise TooLarge(f"it has more than {self._bytes_max:,} bytes")
            if len(waiting) >= WRITTEN_AT_ONCE:
                await self._write(bytes(waiting))
                waiting.clear()
        if waiting:
            await self._write(bytes(waiting))

    async def _write(self, data: bytes) -> None:
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]

        def write() -> None:
            self._hash.update(data)
            self.file.write(data)

        await in_thread(write)
        self.bytes += len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @property
    def kind(self) -> str | None:
        """Tell what it is; None of what is not kept."""
        return kind_of(self._head)

    @property
    def content_type(self) -> str:
        """Tell what it is.

        Raises:
            NotKept
        """
        found = self.kind
        if found is None:
            raise NotKept("it is no picture, video or sound of a kind that is kept")
        return found
