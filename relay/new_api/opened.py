"""A database of new-api's, opened to be read: a SQLite file, a Postgres or a MySQL."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from relay.new_api.mysql import MysqlSource
from relay.new_api.postgres import PostgresSource
from relay.new_api.source import Source, SourceError
from relay.new_api.sqlite import SqliteSource

GO_DSN = re.compile(r"[^/@]*(?::.*)?@(?:tcp|unix)\(.*\)/.*")
"""As new-api's own SQL_DSN names a MySQL: `user:password@tcp(host:3306)/database`."""


@contextmanager
def open_source(place: str) -> Iterator[Source]:
    """Open a database by the path of a file, a URL, or a DSN as new-api itself has it.

    Raises:
        SourceError
    """
    source = _open(place)
    try:
        yield source
    finally:
        source.close()


def _open(place: str) -> Source:
    scheme = place.partition("://")[0].lower() if "://" in place else ""
    if scheme in ("postgres", "postgresql"):
        return PostgresSource(place)
    if scheme in ("mysql", "mariadb") or (not scheme and GO_DSN.fullmatch(place)):
        return MysqlSource(place)
    if scheme not in ("", "sqlite", "file"):
        raise SourceError(
            f"a database of new-api's is a SQLite file, a postgresql:// or a mysql:// URL, not"
            f" {scheme}://"
        )
    return SqliteSource(place)
