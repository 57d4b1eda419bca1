"""Making one backup: a snapshot, dumped, sealed, and kept under a name once all of it is there."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import asyncpg
import msgspec

from relay.backups.pg_dump import DumpFailed, dump, find_program
from relay.backups.places import SUFFIX, Place
from relay.backups.sealed_file import PIECE_BYTES, Header, name_new_key, seal
from relay.database.driver import Connection
from relay.database.opener import LONG_TIMEOUT_S, Opener
from relay.secrets import KeyRing

FACTS = """
SELECT
    now() AS made_at,
    current_setting('server_version_num')::int / 10000 AS postgres,
    current_schema() AS schema,
    (SELECT external_prefix FROM deployment) AS deployment,
    (SELECT version_num FROM alembic_version) AS revision,
    (SELECT currency FROM books) AS currency,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_over_tls,
    to_regclass('schema_floor') IS NOT NULL AS has_floor,
    pg_export_snapshot() AS snapshot
"""


class Taken(msgspec.Struct, frozen=True):
    """One backup that was made."""

    place: str
    name: str
    made_at: datetime
    bytes: int
    deployment: str
    revision: str
    key_id: str


async def take_backup(url: str, keys: KeyRing, place: Place) -> Taken:
    """Copy the database as it is now, beside live traffic; under a name of ours in a folder.

    Opens two connections, one of them pg_dump's.

    Raises:
        DumpFailed, PlaceFailed: nothing was made.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the database went away, as before.
    """
    async with snapshot_of(url) as connection:
        return await copy_snapshot(connection, url, keys, place)


@asynccontextmanager
async def snapshot_of(url: str) -> AsyncIterator[Connection]:
    """Open a transaction that others can read as it sees the database."""
    connection = await Opener(url).open(statement_timeout_s=LONG_TIMEOUT_S, statement_cache_size=0)
    try:
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection
    finally:
        connection.terminate()


async def copy_snapshot(connection: Connection, url: str, keys: KeyRing, place: Place) -> Taken:
    """Copy what a `snapshot_of` this URL sees."""
    try:
        facts = await connection.fetchrow(FACTS)
    except asyncpg.UndefinedTableError:
        facts = None
    if facts is None or facts["deployment"] is None or facts["revision"] is None:
        raise DumpFailed("the database has no tables of a relay, so there is nothing to copy")
    oldest_code = None
    if facts["has_floor"]:
        oldest_code = await connection.fetchval("SELECT oldest_code FROM schema_floor")
    key = name_new_key(keys)
    header = Header(
        made_at=facts["made_at"],
        relay=own_version(),
        revision=facts["revision"],
        oldest_code=oldest_code,
        currency=facts["currency"],
        deployment=facts["deployment"],
        postgres=facts["postgres"],
        schema=facts["schema"],
        key_id=key.key_id,
        key_proof=key.key_proof,
        salt=key.salt,
        piece_bytes=PIECE_BYTES,
    )
    program = await find_program(header.postgres, is_over_tls=facts["is_over_tls"])
    name = place.name or name_of(header)
    script = dump(
        program,
        url,
        schema=header.schema,
        snapshot=facts["snapshot"],
        is_over_tls=facts["is_over_tls"],
    )
    async with aclosing(script):  # whatever ends this, pg_dump ends too
        size = await place.folder.put(name, seal(header, script, keys))
    return Taken(
        place=place.folder.spell(name),
        name=name,
        made_at=header.made_at,
        bytes=size,
        deployment=header.deployment,
        revision=header.revision,
        key_id=header.key_id,
    )


def name_of(header: Header) -> str:
    """Name it so that names of one deployment are in the order of their moments."""
    at = header.made_at.astimezone(UTC)
    return f"kling-relay-{header.deployment}-{at:%Y%m%dT%H%M%SZ}{SUFFIX}"


def own_version() -> str:
    try:
        return version("kling-relay")
    except PackageNotFoundError:
        return "unknown"  # run from its source
