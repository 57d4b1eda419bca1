"""Where the content of assets lies: a folder of this machine, or a bucket that speaks S3.

An object is put whole or not at all, and again to the same end: its key has the hash of its content
in it. Nothing that is put is ever overwritten by something else.
"""

import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from relay.buckets.opened import S3, BucketUnusable, first_line, open_bucket
from relay.buckets.threads import in_thread

if TYPE_CHECKING:
    from obstore.store import LocalStore, S3Store

READ_BYTES = 1024 * 1024
PART_BYTES, PARTS_AT_ONCE = 8 * 1024 * 1024, 2
"""Of an upload to a bucket: 80 GB at most, in 24 MB of memory."""
LEFT_S = 86400.0
KEY = re.compile(r"\d+/[0-9a-f]{2}/[0-9a-f]{64}\.\d+")
"""Of assets, as `key_of` spells it: whatever else lies there is not ours to judge."""
TRIED = "0/check"
"""What a check puts and takes away."""


class StoreFailed(Exception):
    """It cannot be written or read there; the message says why, for operators."""


class ContentMissing(StoreFailed):
    """There is no such object."""


class AssetStore:
    """One store; nothing is opened before it is first used."""

    def __init__(self, place: str, read_reach: Callable[[], Mapping[str, str]]) -> None:
        """`place`: a folder or `s3://bucket/folder`; `read_reach` tells how a bucket is reached."""
        self.place = place
        self._read_reach = read_reach
        self.folder = None if place.startswith(S3) else Path(place).expanduser()

    @property
    def is_bucket(self) -> bool:
        return self.folder is None

    def spool_folder(self) -> Path | None:
        """Find where to write what is to be put: on the store's own disk; None is anywhere.

        Raises:
            StoreFailed: the folder cannot be made.
        """
        if self.folder is not None:
            self._make_folder(self.folder)
        return self.folder

    async def put(self, key: str, content: BinaryIO, *, size: int, content_type: str) -> None:
        """Put a file of this size, from its beginning; once it returns it is there for good.

        Raises:
            StoreFailed: it may be there or not.
        """
        import obstore  # noqa: PLC0415 (megabytes, for who keeps files)

        def put() -> int:
            content.seek(0)
            store = self._opened
            obstore.put(
                store,
                key,
                content,
                attributes={"Content-Type": content_type} if self.is_bucket else None,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
            if self.folder is not None:
                _flush(self.folder / key)
            return obstore.head(store, key)["size"]

        with self._told(key):
            kept = await in_thread(put)
        if kept != size:
            raise StoreFailed(f"{key} has {kept} bytes there, and {size} were put")

    async def read(self, key: str, *, first: int = 0, last: int) -> AsyncIterator[bytes]:
        """Yield its bytes from the first to the last one, both counted from 0.

        Raises:
            ContentMissing, StoreFailed: also when some of them were yielded.
        """
        import obstore  # noqa: PLC0415

        with self._told(key):
            get = partial(obstore.get, options={"range": (first, last + 1)})
            result = await in_thread(lambda: get(self._opened, key))
            pieces = iter(result.stream(min_chunk_size=READ_BYTES))
            while (piece := await in_thread(partial(next, pieces, None))) is not None:
                yield bytes(piece)

    async def delete(self, key: str) -> None:
        """Take it out; what is not there is none the worse.

        Raises:
            StoreFailed
        """
        import obstore  # noqa: PLC0415

        with contextlib.suppress(ContentMissing), self._told(key):
            await in_thread(lambda: obstore.delete(self._opened, key))

    async def keys(self) -> dict[str, int]:
        """List what is in it of assets, with its bytes.

        Raises:
            StoreFailed
        """
        import obstore  # noqa: PLC0415

        def read() -> dict[str, int]:
            return {
                found["path"]: found["size"]
                for some in obstore.list(self._opened)
                for found in some
                if KEY.fullmatch(found["path"])
            }

        with self._told("its list"):
            return await in_thread(read)

    async def tidy(self) -> None:
        """Take away what writers left in a folder that were killed, a day after.

        Of a bucket that is for a rule of its own: parts of an upload are not to be seen in it.
        """
        folder = self.folder
        if folder is None or not folder.is_dir():
            return

        def tidy() -> None:
            # obstore writes beside an object, under its name, `#` and a number.
            for path in folder.glob("*/*/*#*"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > LEFT_S:
                        path.unlink()

        await in_thread(tidy)

    async def link(self, key: str, *, good_for_s: float) -> str | None:
        """Sign a URL of the bucket's own at which whoever has it may GET the object.

        None of a folder.
        """
        if not self.is_bucket:
            return None
        import obstore  # noqa: PLC0415

        with self._told(key):
            sign: Any = obstore.sign
            expires = timedelta(seconds=good_for_s)
            return str(await in_thread(lambda: sign(self._opened, "GET", key, expires)))

    async def check(self) -> None:
        """Put something small, read it and take it out again.

        Raises:
            StoreFailed
        """
        import io  # noqa: PLC0415

        content = os.urandom(16).hex().encode()
        key = f"{TRIED}/{content[:16].decode()}"
        await self.put(
            key, io.BytesIO(content), size=len(content), content_type="application/octet-stream"
        )
        try:
            read = b"".join([piece async for piece in self.read(key, last=len(content) - 1)])
        finally:
            await self.delete(key)
        if read != content:
            raise StoreFailed("what was read is not what was put")

    @cached_property
    def _opened(self) -> "S3Store | LocalStore":
        if self.folder is None:
            return open_bucket(self.place, self._read_reach())
        from obstore.store import LocalStore  # noqa: PLC0415

        self._make_folder(self.folder)
        return LocalStore(prefix=self.folder)

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreFailed(f"{folder}: {error.strerror or error}") from error

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            yield
        except FileNotFoundError as error:
            raise ContentMissing(f"{key} is not in {self.place}") from error
        except BucketUnusable as error:
            raise StoreFailed(str(error)) from error
        except (BaseError, OSError) as error:
            raise StoreFailed(f"{self.place}: {first_line(error)}") from error


def key_of(tenant_id: int, sha256: str, object_id: int) -> str:
    """Spell where an object lies in the store."""
    return f"{tenant_id}/{sha256[:2]}/{sha256}.{object_id}"


def _flush(path: Path) -> None:
    """Have it on the disk, with the names that lead to it from two folders above."""
    for one in (path, path.parent, path.parent.parent, path.parent.parent.parent):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
