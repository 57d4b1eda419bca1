"""Folders and buckets: what has a name is whole, and only what is ours is written over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from relay.backups.places import BucketFolder, FileFolder, Folder, PlaceFailed, open_place
from relay.buckets.reach import read_reach
from relay.machine import Machine
from tests.backups.test_sealed_file import header, sealed

NAME = "kling-relay-r0123456789-20261126T030000Z.backup"


class Broken(Exception):
    """What a backup under way ends with."""


async def half(file: bytes) -> AsyncIterator[bytes]:
    yield file[: len(file) // 2]
    raise Broken


async def whole(file: bytes) -> AsyncIterator[bytes]:
    yield file[:100]
    yield file[100:]


def names_in(path: Path) -> list[str]:
    return [one.name for one in path.iterdir()]


async def read(folder: Folder, name: str, first: int | None = None) -> bytes:
    return b"".join([one async for one in folder.get(name, first=first)])


def folders(tmp_path: Path) -> list[Folder]:
    """A folder of this machine, and a bucket: obstore's own in memory, by the calls S3 gets."""
    return [FileFolder(tmp_path), BucketFolder(MemoryStore(), "s3://bucket/relay")]


async def test_a_backup_that_was_interrupted_has_no_name(tmp_path: Path) -> None:
    """Nothing is left of it; one that was there before stays as it was."""
    file = await sealed(b"one" * 100)
    for folder in folders(tmp_path):
        with pytest.raises(Broken):
            await folder.put(NAME, half(file))
        assert await folder.list() == []
        assert await folder.put(NAME, whole(file)) == len(file)
        with pytest.raises(Broken):
            await folder.put(NAME, half(await sealed(b"two" * 100)))

        assert [tuple(one) for one in await folder.list()] == [(NAME, len(file))]
        assert await read(folder, NAME) == file
        assert await read(folder, NAME, 10) == file[:10]
        assert len(await read(folder, NAME, 10 * len(file))) == len(file)
        await folder.delete(NAME)
        assert await folder.list() == []
        with pytest.raises(PlaceFailed, match=NAME):
            await read(folder, NAME)
    assert names_in(tmp_path) == [], "no partial file"


async def cancelled(folder: Folder, file: bytes, *, goes_on: bool) -> None:
    """Cancel it while it waits for a chunk, which never comes, or is the end."""
    is_reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield file
        is_reached.set()
        await may_go_on.wait()

    putting = asyncio.create_task(folder.put(NAME, stuck()))
    await is_reached.wait()
    putting.cancel()
    if goes_on:
        may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await putting


async def test_a_backup_that_is_told_to_stop_has_no_name(tmp_path: Path) -> None:
    """A process that ends cancels it: no thread goes on and takes what is there for all of it."""
    file = await sealed(b"one" * 100)
    for folder in folders(tmp_path):
        for goes_on in (False, True):
            await cancelled(folder, file, goes_on=goes_on)
            assert await folder.list() == []


async def test_what_is_no_backup_is_not_written_over(tmp_path: Path) -> None:
    """A path that was mistaken keeps its file; and the files are for their owner alone."""
    (tmp_path / "notes.txt").write_text("the only copy")
    folder = FileFolder(tmp_path)

    with pytest.raises(PlaceFailed, match=r"notes\.txt is there already, and no backup"):
        await folder.put("notes.txt", whole(await sealed(b"x", header())))
    await folder.put(NAME, whole(await sealed(b"x")))

    assert (tmp_path / "notes.txt").read_text() == "the only copy"
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_place_is_read_as_a_person_means_it(tmp_path: Path) -> None:
    """A folder by its slash or since it is there; of a bucket only `.backup` is a file."""
    file = tmp_path / "relay.env"
    file.write_text("AWS_REGION=eu-central-1\nAWS_ENDPOINT_URL='http://minio:9000'\n")
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_PROFILE": "ours"}
    keys = read_reach(environ, machine=Machine(env_file=file))
    assert keys == {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://minio:9000",
    }
    for spelt, name, folder in (
        (str(tmp_path), None, f"{tmp_path}"),
        (f"{tmp_path}/one", "one", f"{tmp_path}"),
        (f"{tmp_path}/later/", None, f"{tmp_path}/later"),
        ("s3://bucket", None, "s3://bucket"),
        ("s3://bucket/a/b", None, "s3://bucket/a/b"),
        ("s3://bucket/a/b.backup", "b.backup", "s3://bucket/a"),
    ):
        place = open_place(spelt, keys)
        assert (place.name, place.folder.spell("x")) == (name, f"{folder}/x")
    for spelt in ("s3://", "s3://key:secret@bucket/", "gs://bucket/", "s3://bucket/?x"):
        with pytest.raises(PlaceFailed):
            open_place(spelt, keys)
