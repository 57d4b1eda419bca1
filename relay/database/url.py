"""Database URLs, as libpq and asyncpg read them: with several places for one database, too.

    postgresql://user:password@a,b:5433/relay?target_session_attrs=primary
    postgresql://user:password@/relay?host=a,/run/postgresql&port=5432,5433

A failover pair is written so. Each part may be percent-encoded; a password, though, is taken as it
is up to the first `@`, since few people encode theirs. No error quotes a part of the URL: it may be
one of the password.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode

_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://"
    r"(?:(?P<user>[^:/?@]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
_HOST = re.compile(
    r"\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\](?::(?P<port6>\d+))?"
    r"|(?P<socket>/[^@]*)"
    r"|(?P<name>[^:@/\s\[\]]+)(?::(?P<port>\d+))?"
)
PORT = 5432
"""Postgres's own."""


class Place(NamedTuple):
    """Where a server may be."""

    host: str
    """A name, an address, or the folder of a Unix socket."""
    port: int | None
    """None: `PGPORT`, or Postgres's own."""

    def __str__(self) -> str:
        host = _bracketed(self.host)
        return host if self.port is None else f"{host}:{self.port}"


class DatabaseUrl(NamedTuple):
    """What a URL says."""

    places: tuple[Place, ...]
    """Where the database may be, in the order that they are tried; without any, asyncpg knows."""
    database: str
    """Decoded; empty where the URL names none."""
    target: str | None
    """`target_session_attrs`: which of the places will do."""
    dsn: str
    """The URL for asyncpg, whichever driver it named."""


def read_url(url: str) -> DatabaseUrl:
    """Read a database URL.

    Raises:
        ValueError: it is none.
    """
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError("no postgresql:// URL")
    query = parse_qs(parts["query"] or "", keep_blank_values=True)
    ports, named = _listed(query.pop("port", [])), _listed(query.pop("host", []))
    # As asyncpg: before the path first, and decoded only there, since a query is decoded already.
    hosts = [(host, True) for host in parts["hosts"].split(",")] if parts["hosts"] else []
    hosts = hosts or [(host, False) for host in named]
    places = tuple(_places(hosts, ports))
    if places:
        query["host"] = [",".join(_bracketed(place.host) for place in places)]
        ports = [str(place.port or PORT) for place in places if any(one.port for one in places)]
    query["port"] = [",".join(ports)]
    target = query.get("target_session_attrs", [None])[-1]
    return DatabaseUrl(places, unquote(parts["database"] or ""), target, _spell(parts, query))


def dsn(url: str) -> str:
    """Spell a database URL as asyncpg reads it, whichever driver it names.

    Raises:
        ValueError: it is none.
    """
    return read_url(url).dsn


def _spell(parts: re.Match[str], query: dict[str, list[str]]) -> str:
    user, password = (
        None if part is None else quote(unquote(part), safe="")
        for part in (parts["user"], parts["password"])
    )
    login = "" if user is None else user + ("" if password is None else f":{password}") + "@"
    path = "/" + quote(unquote(parts["database"]), safe="") if parts["database"] else ""
    asked = urlencode({name: values[-1] for name, values in query.items() if values[-1]})
    return f"postgresql://{login}{path}" + (f"?{asked}" if asked else "")


def _places(hosts: list[tuple[str, bool]], ports: list[str]) -> Iterable[Place]:
    if len(ports) == 1:
        ports = ports * len(hosts)
    if hosts and ports and len(ports) != len(hosts):
        raise ValueError("as many ports as hosts")
    for number, (spelled, is_encoded) in enumerate(hosts):
        found = _HOST.fullmatch(spelled)
        if found is None:
            raise ValueError("no host")
        host = found["ipv6"] or found["socket"] or found["name"]
        port = found["port6"] or found["port"] or (ports[number] if ports else None)
        yield Place(unquote(host) if is_encoded else host, None if port is None else int(port))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("/") else host


def _listed(values: list[str]) -> list[str]:
    """Split what may be named several times, or several of at once."""
    return [one for value in values for one in value.split(",") if one]
