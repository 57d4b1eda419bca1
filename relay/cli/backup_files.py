"""Backups as commands name them: where they are, which one, and what is wrong in words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from relay.cli.database import this_machine
from relay.cli.failure import Failure, WrongSettings

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from relay.backups.places import Place
    from relay.backups.sealed_file import Header
    from relay.settings import Settings

Result = TypeVar("Result")


class Chosen(NamedTuple):
    """One backup, by its header alone."""

    place: Place
    header: Header

    @property
    def spelled(self) -> str:
        return self.place.spelled


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end; whatever the operator can mend is a Failure."""
    import asyncpg
    from sqlalchemy.exc import DBAPIError

    from relay.backups.pg_dump import DumpFailed
    from relay.backups.places import PlaceFailed
    from relay.backups.restore import RestoreRefused
    from relay.backups.sealed_file import BackupUnusable

    try:
        return asyncio.run(work)
    except (DumpFailed, PlaceFailed, RestoreRefused) as error:
        raise Failure(str(error)) from error
    except BackupUnusable as error:
        raise Failure(f"this backup cannot be used: {error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError, OSError) as error:
        said = str(getattr(error, "orig", None) or error) or type(error).__name__
        words = " ".join(said.rpartition("'>: ")[2].split())
        raise Failure(f"the database did not do it: {words}") from error


def place_at(spelt: str) -> Place:
    """Read where something is to be; a bucket is reached as the AWS_ variables say."""
    from relay.backups.places import PlaceFailed, open_place
    from relay.buckets.reach import read_reach
    from relay.settings import SettingsError

    try:
        return open_place(spelt, read_reach(machine=this_machine()))
    except SettingsError as error:
        raise WrongSettings(str(error)) from error
    except PlaceFailed as error:
        raise Failure(str(error)) from error


def place_or_usual(spelt: str | None, settings: Settings) -> Place:
    """Read where something is to be; where nothing is said, in the schedule's folder."""
    if spelt is not None:
        return place_at(spelt)
    if settings.backup_to is None:
        import rich_click as click

        raise click.UsageError("Say where, or set RELAY_BACKUP_TO to the folder.")
    return place_at(settings.backup_to.rstrip("/") + "/")


async def choose(place: Place) -> Chosen:
    """Choose the one that is named, or the newest of a folder.

    Raises:
        Failure: there is none, or they are of several databases.
    """
    from relay.backups.listed import list_backups
    from relay.backups.places import read_header_of

    if place.name is not None:
        return Chosen(place, await read_header_of(place.folder, place.name))
    listed = (await list_backups(place.folder)).backups
    if not listed:
        raise Failure(f"there is no backup in {place.spelled}")
    if len({one.header.deployment for one in listed}) > 1:
        raise Failure(
            f"{place.spelled} has backups of several databases: name one of those that"
            f" `relay backup list {place.spelled}` shows"
        )
    return Chosen(place._replace(name=listed[0].name), listed[0].header)


def size_of(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB" if size >= 1024**2 else f"{size / 1024:.0f} kB"
