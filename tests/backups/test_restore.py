"""A restore is one transaction: what is found wrong at the end of a backup undoes all before it."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from relay.backups.places import FileFolder, Place, read_header_of
from relay.backups.restore import RestoreRefused, restore
from relay.backups.sealed_file import TAG_BYTES, BackupUnusable, seal, unseal
from relay.backups.take import take_backup
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from relay.secrets import KeyRing, new_secret_key
from tests.clones import cloned, execute

PIECE = 1000
ODD = "a\tb\\.\n\\.\nü\\N"


@pytest.fixture
async def empty_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    name = f"empty_{uuid4().hex[:12]}"
    await execute(postgres_server, f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    await execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def migrated_url(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    async with cloned(postgres_server, template) as url:
        yield url


async def in_pieces(place: Place, keys: KeyRing) -> Place:
    """Seal a small backup anew in many pieces, as a large one has them."""
    assert place.name is not None
    header = await read_header_of(place.folder, place.name)
    script = unseal(place.folder.get(place.name), keys)
    name = f"pieces-{place.name}"
    anew = msgspec.structs.replace(header, piece_bytes=PIECE)
    await place.folder.put(name, seal(anew, script, keys))
    return Place(place.folder, name)


async def test_a_backup_that_ends_too_early_leaves_nothing(
    database_url: str, empty_url: str, migrated_url: str, tmp_path: Path
) -> None:
    """Of one of many pieces all were run when the last is found missing; whole, it comes back with
    every odd character, and ids go on where they were."""
    keys = KeyRing.parse(new_secret_key())
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute("INSERT INTO accounts DEFAULT VALUES")
    insert = "INSERT INTO tenants (name, account_id) SELECT $1, id FROM accounts"
    await connection.execute(insert, ODD)
    await connection.close()
    folder = FileFolder(tmp_path)
    taken = await take_backup(database_url, keys, Place(folder, None))
    whole = await in_pieces(Place(folder, taken.name), keys)
    header = await read_header_of(folder, whole.name or "")
    file = b"".join([one async for one in folder.get(whole.name or "")])
    pieces = len(file) // (PIECE + TAG_BYTES)
    assert pieces > 3
    (tmp_path / "cut.backup").write_bytes(file[: -1 - len(file) % (PIECE + TAG_BYTES)])

    for strange, words in (
        ({"revision": "9999", "oldest_code": None}, "of revision 9999, newer than"),
        ({"revision": "9999", "oldest_code": "9998"}, "update the relay"),
        ({"schema": "elsewhere"}, "is of the schema 'elsewhere'"),
    ):
        of_another = msgspec.structs.replace(header, **strange)
        with pytest.raises(RestoreRefused, match=words):
            await restore(empty_url, whole, of_another, keys)
    with pytest.raises(BackupUnusable):
        await restore(empty_url, Place(folder, "cut.backup"), header, keys)
    connection = await asyncpg.connect(dsn(empty_url))
    assert await connection.fetchval("SELECT to_regclass('tenants')") is None
    await connection.close()
    await restore(empty_url, whole, header, keys)
    # One that was only migrated is as good as an empty one: what migrations put there is set aside.
    assert (await restore(migrated_url, whole, header, keys)).set_aside is not None

    connection = await asyncpg.connect(dsn(empty_url))
    assert await connection.fetchval("SELECT name FROM tenants") == ODD
    assert await connection.fetchval(insert + " RETURNING id", "next") == 2
    await connection.close()
