"""Which schema the database is at; asking is also how we learn whether it can be reached."""

import asyncio

from relay.cli.failure import DatabaseBehind, Failure, WrongSettings

CONNECT_TIMEOUT_S = 10.0


def newest() -> str:
    from relay.database.migrate import newest_revision

    return newest_revision()


def migrate_now(url: str, *, revision: str = "head") -> None:
    from relay.database.migrate import migrate

    asyncio.run(migrate(url, revision=revision))


def refuse_newer(current: str | None) -> None:
    """Raise DatabaseBehind if a newer relay has migrated the database."""
    if current is not None and current > newest():  # revisions are numbers of one width
        raise DatabaseBehind(
            f"the database is at revision {current}, newer than {newest()}, the newest that this"
            " version of the relay knows: update the relay"
        )


def current_or_failure(url: str) -> str | None:
    """Ask the database for its revision; why it does not answer is a sentence."""
    import asyncpg
    from sqlalchemy.exc import SQLAlchemyError

    from relay.database.migrate import current_revision

    _refuse_garbled(url)

    async def asked() -> str | None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await current_revision(url)

    try:
        return asyncio.run(asked())
    except TimeoutError:
        reason = f"no answer in {CONNECT_TIMEOUT_S:.0f} s"
    except OSError as error:
        reason = error.strerror or str(error)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        reason = str(error)
    raise Failure(f"{_spelled(url)} cannot be used: {' '.join(reason.split())}")


def _refuse_garbled(url: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url)
    except (ArgumentError, ValueError):
        # Without the reason, which quotes a part of the URL: it may be a part of the password.
        raise WrongSettings(
            "RELAY_DATABASE_URL is not a URL such as postgresql://user:password@host:5432/relay"
            " (a password with :, / or @ in it must be percent-encoded)"
        ) from None


def _spelled(url: str) -> str:
    """Name a database without its password."""
    from sqlalchemy.engine import make_url

    parts = make_url(url)
    host = parts.host or parts.query.get("host") or "localhost"
    return f"the database '{parts.database}' at {host}" + (f":{parts.port}" if parts.port else "")
