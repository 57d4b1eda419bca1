"""A MySQL or MariaDB of new-api's, read in one snapshot that cannot write."""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql.cursors import SSDictCursor

from relay.new_api.source import Row, SourceError

CONNECT_S = 15
PORT = 3306
OWN_DSN = re.compile(
    r"(?P<user>[^:@/]*)(?::(?P<password>.*))?@(?P<net>tcp|unix)\((?P<address>[^()]*)\)"
    r"/(?P<database>[^?]*)(?:\?(?P<query>.*))?"
)
COLUMNS = """
SELECT table_name AS of_table, column_name AS of_column FROM information_schema.columns
WHERE table_schema = DATABASE()
"""


class MysqlSource:
    """See `Source`."""

    def __init__(self, place: str) -> None:
        given = _read_dsn(place) or _read_url(place)
        where = given.get("unix_socket") or f"{given.get('host')}:{given.get('port', PORT)}"
        self.shown = f"mysql://{where}/{given['database']}"
        with self._told():
            self._connection = pymysql.connect(
                **given,
                charset="utf8mb4",
                connect_timeout=CONNECT_S,
                cursorclass=SSDictCursor,
                autocommit=True,
            )
            with self._connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def columns(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for row in self.rows(COLUMNS):
            found.setdefault(row["of_table"], set()).add(row["of_column"])
        return {table: frozenset(columns) for table, columns in found.items()}

    def rows(self, sql: str) -> Iterator[Row]:
        # Unbuffered: a table of tasks may not fit.
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            yield from cursor

    def quoted(self, name: str) -> str:
        return f"`{name}`"

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (pymysql.MySQLError, OSError) as error:
            said = error.args[-1] if error.args else error
            raise SourceError(f"{self.shown} cannot be read: {said}") from error


def _read_dsn(place: str) -> dict[str, Any] | None:
    """Read what new-api's SQL_DSN has; a password stands there as it is."""
    found = OWN_DSN.fullmatch(place)
    if found is None or "://" in place.partition("@")[0]:
        return None
    given = {
        "user": found["user"],
        "password": found["password"] or "",
        "database": found["database"],
    }
    if found["net"] == "unix":
        given["unix_socket"] = found["address"]
    else:
        host, _, port = found["address"].rpartition(":")
        given |= _address(host or found["address"], port if host else "")
    return given | _tls(found["query"] or "")


def _read_url(place: str) -> dict[str, Any]:
    try:
        parts = urlsplit(place)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SourceError(
            "the URL cannot be read: a password with :, / or @ in it is percent-encoded"
        ) from None
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise SourceError("the URL names no database: mysql://user:password@host:3306/new-api")
    given = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": database,
    }
    socket = parse_qs(parts.query).get("unix_socket", [""])[-1]
    given |= {"unix_socket": socket} if socket else _address(host or "localhost", str(port or ""))
    return given | _tls(parts.query)


def _address(host: str, port: str) -> dict[str, Any]:
    return {"host": host.strip("[]"), "port": int(port) if port.isdecimal() else PORT}


def _tls(query: str) -> dict[str, Any]:
    """Encrypt as the DSN asks for it."""
    asked = parse_qs(query).get("tls", [""])[-1]
    if asked in ("", "false"):
        return {}
    context = ssl.create_default_context()
    if asked != "true":  # skip-verify, preferred
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return {"ssl": context}
