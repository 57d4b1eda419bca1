"""Where backups are kept: a folder or a file of this machine, or a bucket that speaks S3."""

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

from relay.backups.sealed_file import HEAD_BYTES_MAX, BackupUnusable, Header, read_header
from relay.buckets.opened import S3, BucketUnusable, first_line, open_bucket
from relay.buckets.threads import Handed, in_thread

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SUFFIX = ".backup"
NAME = re.compile(r"kling-relay-(?P<deployment>[a-z0-9]+)-(?P<at>\d{8}T\d{6}Z)\.backup")
READ_BYTES = 1024 * 1024
PART_BYTES, PARTS_AT_ONCE = 16 * 1024 * 1024, 2
"""Of an upload, which has at most 10,000 parts: 160 GB, in 48 MB of memory."""
PARTIAL = ".partial-"
PARTIAL_DAYS_MAX = 1
"""Older ones were left by a process that was killed."""
DAY_S = 86400


class PlaceFailed(Exception):
    """It cannot be read or written there; the message says why."""


class Found(NamedTuple):
    """One backup in a folder."""

    name: str
    bytes: int


class Folder(Protocol):
    """Holds backups under names; what has a name is whole."""

    def spell(self, name: str) -> str:
        """Say where one is, as commands take it."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Keep it under this name, and return its size; whatever raises, nothing has the name.

        Raises:
            PlaceFailed: or whatever `chunks` raises.
        """

    def get(self, name: str, *, first: int | None = None) -> AsyncIterator[bytes]:
        """Yield its bytes; `first`: no more than so many of them.

        Raises:
            PlaceFailed
        """

    async def list(self) -> "list[Found]":
        """List what is in it, whoever put it there, in no order.

        Raises:
            PlaceFailed
        """

    async def delete(self, name: str) -> None:
        """Delete it.

        Raises:
            PlaceFailed
        """

    async def tidy(self) -> None:
        """Delete what killed writers left, long after."""


class Place(NamedTuple):
    """A folder, and the name in it where one is given."""

    folder: Folder
    name: str | None

    @property
    def spelled(self) -> str:
        return self.folder.spell(self.name or "")


def open_place(spelt: str, reach: Mapping[str, str]) -> Place:
    """Read where something is to be: `s3://bucket/folder`, a folder, or a file.

    Of a bucket only what ends in `.backup` is a file, and `reach` says how it is reached.

    Raises:
        PlaceFailed: it is no such place.
    """
    if not spelt.startswith(S3):
        if "://" in spelt:
            raise PlaceFailed(f"'{spelt}' is neither a file nor s3://bucket/folder")
        path = Path(spelt).expanduser()
        is_folder = spelt.endswith("/") or path.is_dir()
        folder = FileFolder(path if is_folder else path.parent)
        return Place(folder, None if is_folder else path.name)
    parts = urlsplit(spelt)
    if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise PlaceFailed(f"'{spelt}' is not of the form s3://bucket/folder")
    above, _, last = parts.path.strip("/").rpartition("/")
    if not last.endswith(SUFFIX):
        above, last = parts.path.strip("/"), ""
    url = f"{S3}{parts.netloc}/{above}".rstrip("/")
    return Place(BucketFolder(_store(url, reach), url), last or None)


def _store(url: str, reach: Mapping[str, str]) -> "ObjectStore":
    try:
        return open_bucket(url, reach)
    except BucketUnusable as error:
        raise PlaceFailed(str(error)) from error


class FileFolder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def spell(self, name: str) -> str:
        return str(self.path / name)

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        path = self.path / name
        partial = self.path / f".{name}{PARTIAL}{secrets.token_hex(4)}"
        written = 0
        try:
            self._refuse_another(path)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                # Beside whatever else this process does: a disk may be slow.
                async for chunk in chunks:
                    await asyncio.to_thread(_write, descriptor, chunk)
                    written += len(chunk)
                await asyncio.to_thread(os.fsync, descriptor)
            finally:
                os.close(descriptor)
            partial.rename(path)
            await asyncio.to_thread(_flush, self.path)
        except OSError as error:
            raise self._failed(name, error) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return written

    async def get(self, name: str, *, first: int | None = None) -> AsyncIterator[bytes]:
        try:
            with (self.path / name).open("rb") as file:
                if first is not None:
                    yield file.read(first)
                    return
                while chunk := await asyncio.to_thread(file.read, READ_BYTES):
                    yield chunk
        except OSError as error:
            raise self._failed(name, error) from error

    async def list(self) -> list[Found]:
        try:
            return [
                Found(path.name, path.stat().st_size)
                for path in self.path.iterdir()
                if path.name.endswith(SUFFIX) and path.is_file()
            ]
        except OSError as error:
            raise self._failed("", error) from error

    async def delete(self, name: str) -> None:
        try:
            (self.path / name).unlink()
        except OSError as error:
            raise self._failed(name, error) from error

    async def tidy(self) -> None:
        with contextlib.suppress(OSError):
            for path in self.path.glob(f".*{PARTIAL}*"):
                if time.time() - path.stat().st_mtime > PARTIAL_DAYS_MAX * DAY_S:
                    path.unlink()

    def _refuse_another(self, path: Path) -> None:
        """Refuse to put a backup in the place of what is none."""
        if not path.exists():
            return
        try:
            with path.open("rb") as file:
                read_header(file.read(HEAD_BYTES_MAX))
        except BackupUnusable as error:
            raise PlaceFailed(f"{path} is there already, and no backup: name another") from error

    def _failed(self, name: str, error: OSError) -> PlaceFailed:
        return PlaceFailed(f"{self.path / name}: {error.strerror or error}")


class BucketFolder:
    """A part of a bucket.

    obstore's own coroutines are not used: a process that ends just after one is aborted now and
    then, by a thread of its that lets go of a Python object too late.
    """

    def __init__(self, store: "ObjectStore", url: str) -> None:
        """`store`: of obstore's, whichever; `url` is how a person knows it."""
        self._store = store
        self._url = url

    def spell(self, name: str) -> str:
        return f"{self._url}/{name}"

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        import obstore  # noqa: PLC0415 (as above)

        reader = Handed(chunks)

        def upload() -> int:
            # Its parts are put together at the end; if the reader raises, they are thrown away.
            obstore.put(
                self._store,
                name,
                reader,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
            return obstore.head(self._store, name)["size"]

        with self._told(name):
            kept = await reader.read_by(upload)
        if kept != reader.read:
            raise PlaceFailed(f"{self.spell(name)} has {kept} bytes, and {reader.read} were sent")
        return kept

    async def get(self, name: str, *, first: int | None = None) -> AsyncIterator[bytes]:
        import obstore  # noqa: PLC0415

        with self._told(name):
            if first is not None:
                read = partial(obstore.get_range, self._store, name, start=0, end=first)
                yield bytes(await in_thread(read))
                return
            result = await in_thread(partial(obstore.get, self._store, name))
            stream = iter(result.stream(min_chunk_size=READ_BYTES))
            while (chunk := await in_thread(partial(next, stream, None))) is not None:
                yield bytes(chunk)

    async def list(self) -> list[Found]:
        import obstore  # noqa: PLC0415

        def read() -> list[Found]:
            return [
                Found(one["path"], one["size"])
                for batch in obstore.list(self._store)
                for one in batch
                if one["path"].endswith(SUFFIX) and "/" not in one["path"]
            ]

        with self._told(""):
            return await in_thread(read)

    async def delete(self, name: str) -> None:
        import obstore  # noqa: PLC0415

        with self._told(name):
            await in_thread(partial(obstore.delete, self._store, name))

    async def tidy(self) -> None:
        """Leave it to a rule of the bucket's: parts of an upload are not to be seen in it."""

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            yield
        except FileNotFoundError as error:  # also of a bucket
            raise PlaceFailed(f"{self.spell(name)}: there is no such thing") from error
        except (BaseError, OSError) as error:
            raise PlaceFailed(f"{self.spell(name)}: {first_line(error)}") from error


async def read_header_of(folder: Folder, name: str) -> Header:
    """Read a backup's header without its key.

    Raises:
        PlaceFailed, BackupUnusable
    """
    head = b""
    async for chunk in folder.get(name, first=HEAD_BYTES_MAX):
        head += chunk
    return read_header(head)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
