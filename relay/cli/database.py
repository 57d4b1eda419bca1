"""The database a command works on: the configured one, this machine's, or an embedded one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from relay.cli.failure import DatabaseBehind, Failure, WrongSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.machine import Machine
    from relay.secrets import KeyRing
    from relay.settings import Settings

Result = TypeVar("Result")
KEY_FILE = "secret.key"
REFUSALS = frozenset({"25", "40", "53", "55", "57"})
"""Classes of SQLSTATE that are no mistake of ours: it takes no writes, is out of something, waited
too long for a lock, or was told to stop."""


@dataclass(frozen=True)
class Database:
    """Never log one: the URL may hold a password."""

    settings: Settings
    url: str
    keys: KeyRing
    is_embedded: bool

    def read(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """Look something up, in a transaction that can write nothing: whoever writes, acts.

        Raises:
            Failure: for what the operator can mend: a database that went away, keys that do not
                fit, what does not exist. Also if `work` writes after all; nothing was written.
        """

        async def reading(session: AsyncSession) -> Result:
            from sqlalchemy import text

            await session.execute(text("SET TRANSACTION READ ONLY"))
            return await work(session)

        return self._run(reading)

    def act(self, work: Callable[[AsyncSession, Actor], Awaitable[Result]]) -> Result:
        """Do an act of the desk as the user of this process, in one transaction.

        Raises:
            Failure: it was not done, and nothing was written; as `read`, and another currency.
        """
        from relay.desk.actor import system_user
        from relay.logs import configure_logs

        # A task that moves says so on stderr. Not final: a command has few events, and whoever runs
        # several in one process, as tests do, may want each to say it elsewhere.
        configure_logs(level=self.settings.log_level, is_final=False)
        actor = system_user()

        async def acting(session: AsyncSession) -> Result:
            return await work(session, actor)

        return self._run(acting)

    def _run(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """Do `work` in one transaction: committed if it returns, rolled back if it raises."""
        from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

        from relay.cli.words import worded
        from relay.database.engine import open_engine, open_sessions
        from relay.database.faults import is_of_a_text
        from relay.desk.errors import DeskError
        from relay.ledger.read import CurrencyMismatch
        from relay.secrets import SecretKeyError

        async def connected() -> Result:
            engine = open_engine(self.url, connections=1)
            try:
                async with open_sessions(engine).begin() as session:
                    return await work(session)
            finally:
                await engine.dispose()

        try:
            return asyncio.run(connected())
        except DeskError as error:
            raise Failure(worded(error, self.settings.currency)) from error
        except CurrencyMismatch as error:
            raise WrongSettings(str(error)) from error
        except SecretKeyError as error:
            raise WrongSettings(f"RELAY_SECRET_KEY: {error}") from error
        except (InterfaceError, OperationalError, OSError) as error:
            raise Failure(f"the database stopped answering: {_said(error)}") from error
        except DBAPIError as error:
            if is_of_a_text(error):
                raise Failure(
                    "a text has a NUL character, which is none; nothing was written"
                ) from error
            if str(getattr(error.orig, "sqlstate", None))[:2] not in REFUSALS:
                raise
            raise Failure(f"the database refused, nothing was written: {_said(error)}") from error


def _said(error: Exception) -> str:
    """Repeat what the database or system said, in one line and without a class of the driver's."""
    said = str(getattr(error, "orig", None) or error)
    return " ".join(said.rpartition("'>: ")[2].split())


def refuse_other_keys(database: Database) -> None:
    """Refuse secret keys that are not the database's; what seals is noted at its first use.

    Raises:
        WrongSettings: with a sentence.
    """
    from relay.desk.secret_keys import check_secret_keys

    database.act(lambda session, _: check_secret_keys(session, database.keys))


@contextlib.contextmanager
def open_database() -> Iterator[Database]:
    """Open the database at this version's schema; the embedded one is migrated by itself.

    Raises:
        WrongSettings, DatabaseBehind, Failure: with a sentence; nothing was changed.
    """
    from relay.cli.revision import (
        look_or_failure,
        migrate_now,
        newest,
        refuse_other_currency,
        refuse_strange,
    )

    settings = current_settings()
    is_embedded = settings.database_url is None
    with open_url(settings) as url:
        found = look_or_failure(url)
        refuse_strange(found)
        refuse_other_currency(found, settings.currency)
        if not found.is_usable:
            if not is_embedded:
                current = found.revision
                state = "has no tables yet" if current is None else f"is at revision {current}"
                raise DatabaseBehind(
                    f"the database {state}, and this version of the relay needs revision"
                    f" {newest()}: run `relay migrate`"
                )
            migrate_now(url)
        yield Database(settings, url, key_ring(settings), is_embedded)


def current_settings() -> Settings:
    """Read the settings; a wrong one is a sentence."""
    from relay.settings import SettingsError, read_settings

    try:
        return read_settings(machine=this_machine())
    except SettingsError as error:
        raise WrongSettings(str(error)) from error


def this_machine() -> Machine:
    """Say where things are here; whoever runs a command in process may say otherwise."""
    import rich_click as click

    from relay.machine import Machine

    context = click.get_current_context(silent=True)
    return (context and context.find_object(Machine)) or Machine()


def refuse_a_second(settings: Settings) -> None:
    """Refuse to make an empty database of our own beside a relay that is installed here."""
    from relay.database.embedded import is_made

    machine = this_machine()
    install = machine.find_install()
    has_place = settings.data_dir is not None or is_made(data_dir(settings))
    if install is not None and not has_place:
        raise WrongSettings(
            f"a relay is installed on this machine ({install}), and nothing says which database it"
            f" uses: put RELAY_DATABASE_URL into {machine.env_file}, or RELAY_DATA_DIR for an"
            " embedded one; nothing was made"
        )


@contextlib.contextmanager
def open_url(settings: Settings) -> Iterator[str]:
    """Yield the URL, whatever the schema; the embedded server runs as long as this is open."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    from relay.database.embedded import EmbeddedPostgresError, embedded_postgres

    refuse_a_second(settings)
    place = data_dir(settings)
    _note_first_start(place)
    with contextlib.ExitStack() as held:
        try:
            server = held.enter_context(embedded_postgres(place))
        except EmbeddedPostgresError as error:
            raise Failure(str(error)) from error
        yield server.url()


def _note_first_start(place: Path) -> None:
    """Say what is waited for where a database is made: a person would think that nothing happens.

    A program that asks for JSON is told nothing else.
    """
    import rich_click as click

    from relay.cli.show import note
    from relay.database.embedded import is_made

    context = click.get_current_context(silent=True)
    is_json = context is not None and context.params.get("as_json", False)
    if not is_json and not is_made(place):
        note(f"First start: preparing the database in {place}. This takes about 20 seconds.")


def data_dir(settings: Settings) -> Path:
    from relay.database.embedded import default_data_dir

    return settings.data_dir or this_machine().data_dir or default_data_dir()


def key_ring(settings: Settings) -> KeyRing:
    """Read the keys, or make those of an embedded database; WrongSettings without usable ones."""
    from relay.secrets import KeyRing, SecretKeyError

    text = settings.secret_key
    if text is None and settings.database_url is not None:
        raise WrongSettings(
            "RELAY_SECRET_KEY is missing: a configured database needs one;"
            " `relay secret-key` makes a fresh one, keep it as safe as the database"
        )
    try:
        return KeyRing.parse(text or own_secret_key(data_dir(settings)))
    except SecretKeyError as error:
        where = "RELAY_SECRET_KEY" if text else str(own_key_file(settings))
        raise WrongSettings(f"{where}: {error}") from error


def given_keys(settings: Settings) -> KeyRing:
    """Read the keys, and make none: for what was sealed before; WrongSettings without any."""
    path = own_key_file(settings)
    if settings.secret_key is None and not path.exists():
        raise WrongSettings(
            f"RELAY_SECRET_KEY is missing, and there is no {path}: give the key that it was sealed"
            " with"
        )
    return key_ring(settings)


def own_key_file(settings: Settings) -> Path:
    """Say where the key is that is made beside an embedded database."""
    return data_dir(settings) / KEY_FILE


def own_secret_key(directory: Path, *, given: str | None = None) -> str:
    """Read the key beside the embedded database, putting one there first if there is none.

    `given`: that one, else a fresh one. Of two commands that make one at once, both get the key of
    the one that was first.
    """
    from relay.secrets import new_secret_key

    path = directory / KEY_FILE
    if not path.exists():
        partial = directory / f".secret.key.{secrets.token_hex(8)}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, f"{given or new_secret_key()}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # A link is made whole or not at all, and never over a file that is there.
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
        partial.unlink()
    return path.read_text().strip()
