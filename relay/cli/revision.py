"""What the database is at, schema and currency; asking is also how we learn whether it is there.

Without Alembic, whose import takes a tenth of a second of every start.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from relay.cli.failure import DatabaseBehind, Failure, WrongSettings

if TYPE_CHECKING:
    from relay.database.driver import Connection


_PACKAGE = Path(__file__).parents[1]


class Found(NamedTuple):
    """What a database is at."""

    revision: str | None
    """None: it was never migrated."""
    currency: str | None
    """The books'; None before the first entry."""
    oldest_code: str | None = None
    """Code that knows this revision runs on the database; None if it does not say so."""

    @property
    def is_newer(self) -> bool:
        """Tell whether a newer version of the relay has migrated it."""
        return self.revision is not None and self.revision > newest()

    @property
    def is_usable(self) -> bool:
        """Tell whether this version runs on it: at its own schema, or a newer one that lets it."""
        if self.is_newer:
            return self.oldest_code is not None and self.oldest_code <= newest()
        return self.revision == newest()


def newest() -> str:
    """Name the newest migration, by its file's number: `0101_tables.py`."""
    return max(_revisions())


def _revisions() -> list[str]:
    installed = _PACKAGE / "migrations"  # where the wheel puts them
    directory = installed if installed.is_dir() else _PACKAGE.parent / "migrations"
    return [path.name.partition("_")[0] for path in directory.glob("versions/[0-9]*_*.py")]


def migrate_now(url: str, *, revision: str = "head") -> None:
    from relay.database.migrate import migrate

    asyncio.run(migrate(url, revision=revision))


def refuse_strange(found: Found) -> None:
    """Raise DatabaseBehind for a schema that no migration of ours brings to what we run on.

    That of a newer relay, if it does not let this one run, and of one before the first release.
    Revisions are numbers of one width.
    """
    current = found.revision
    if current is not None and current < min(_revisions()):
        raise DatabaseBehind(
            f"the database is at revision {current}, made before the first release, whose tables"
            " are others: make a new one (CHANGELOG.md)"
        )
    if found.is_newer and not found.is_usable:
        needed = "" if found.oldest_code is None else f", and runs code of {found.oldest_code} on"
        raise DatabaseBehind(
            f"the database is at revision {current}, newer than {newest()}, the newest that this"
            f" version of the relay knows{needed}: update the relay"
        )


def refuse_other_currency(found: Found, currency: str) -> None:
    """Raise WrongSettings if the books are kept in another currency than the configured one."""
    from relay.ledger.read import CurrencyMismatch

    if found.currency not in (None, currency):
        raise WrongSettings(str(CurrencyMismatch(books=found.currency, configured=currency)))


def look_or_failure(url: str) -> Found:
    """Ask the database what it is at; why it does not answer is a sentence."""
    import asyncpg

    from relay.database.opener import CONNECT_TIMEOUT_S, Opener

    _refuse_garbled(url)

    async def asked() -> Found:
        connection = await Opener(url).open(
            statement_timeout_s=CONNECT_TIMEOUT_S, statement_cache_size=0
        )
        try:
            return Found(
                await _value(connection, "SELECT version_num AS value FROM alembic_version"),
                await _value(connection, "SELECT currency AS value FROM books"),
                await _value(connection, "SELECT oldest_code AS value FROM schema_floor"),
            )
        finally:
            await connection.close()

    try:
        return asyncio.run(asked())
    except TimeoutError:
        reason = f"no answer in {CONNECT_TIMEOUT_S:.0f} s"
    except OSError as error:
        reason = error.strerror or str(error)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = str(error)
    raise Failure(f"{spelled(url)} cannot be used: {' '.join(reason.split())}")


def refuse_transaction_pooler(url: str) -> None:
    """Raise WrongSettings if the URL leads to a pooler in transaction mode."""
    from relay.database.pooler import Pooler, find_pooler

    if asyncio.run(find_pooler(url)) is Pooler.TRANSACTION:
        raise WrongSettings(
            "RELAY_DATABASE_URL leads through a pooler in transaction mode, which loses what a"
            " session sets and locks: name Postgres itself there, and the pooler in"
            " RELAY_DATABASE_POOL_URL"
        )


def refuse_other_pool(url: str, pool_url: str) -> None:
    """Refuse a pooler that does not answer, or leads to another database than `url`.

    Raises:
        WrongSettings, Failure: with a sentence.
    """
    from relay.database.pooler import PoolUnusable, lead_to_one_database

    _refuse_garbled(pool_url, "RELAY_DATABASE_POOL_URL")
    try:
        is_one = asyncio.run(lead_to_one_database(url, pool_url))
    except PoolUnusable as error:
        why = " ".join(str(error).split())
        raise Failure(
            f"{spelled(pool_url)} (RELAY_DATABASE_POOL_URL) cannot be used: {why}"
        ) from error
    if not is_one:
        raise WrongSettings(
            f"RELAY_DATABASE_POOL_URL leads to {spelled(pool_url)}, which is not the database that"
            " RELAY_DATABASE_URL names, but another one, a copy or a standby"
        )


async def _value(connection: "Connection", query: str) -> str | None:
    """Read one `value`; None also without the table."""
    import asyncpg

    try:
        row = await connection.fetchrow(query)
    except asyncpg.UndefinedTableError:
        return None
    return None if row is None else str(row["value"])


def _refuse_garbled(url: str, name: str = "RELAY_DATABASE_URL") -> None:
    from relay.database.url import read_url

    try:
        read_url(url)
    except ValueError:
        raise WrongSettings(
            f"{name} is not a URL such as postgresql://user:password@host:5432/relay"
            " (a password with :, / or @ in it must be percent-encoded)"
        ) from None


def spelled(url: str) -> str:
    """Name a database without its password."""
    from relay.database.url import read_url

    read = read_url(url)
    return f"the database '{read.database}' at {', '.join(map(str, read.places)) or 'localhost'}"
