"""`relay restore`: bring the database back from a backup, paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.backup_files import choose, place_at, run
from relay.cli.database import (
    Database,
    current_settings,
    given_keys,
    open_database,
    open_url,
    own_key_file,
    own_secret_key,
)
from relay.cli.examples import examples
from relay.cli.failure import Failure, WrongSettings
from relay.cli.revision import (
    look_or_failure,
    refuse_transaction_pooler,
    spelled,
)
from relay.cli.show import json_option, moment, note, print_json
from relay.cli.sure import ask, sure_option
from relay.cli.window import Moment

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.backup_files import Chosen
    from relay.cli.window import Span
    from relay.desk.actor import Actor
    from relay.desk.backups import Marked
    from relay.secrets import KeyRing
    from relay.settings import Settings


@click.command()
@click.argument("backup", required=False, help="A file, or s3://…; of a folder, its newest one.")
@click.option(
    "--replace",
    "replaces",
    is_flag=True,
    help="Set aside what is in the database, in a schema of its own; nothing of it is deleted.",
)
@click.option(
    "--as-of",
    type=Moment(),
    metavar="MOMENT",
    help="No backup: the database itself was set back to this moment, by Postgres or its disk.",
)
@sure_option
@json_option
@examples(
    "relay restore s3://acme-backups/relay/      # the newest one",
    "relay restore /var/backups/relay/kling-relay-r0…-20261126T030000Z.backup",
    "relay restore --as-of '2026-11-26 03:00Z'   # set back by Postgres",
)
def restore(
    backup: str | None,
    as_of: Span | None,
    *,
    replaces: bool,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Bring the database back from a backup, or say that it was set back by other means.

    Stop every `relay serve` and `relay worker` before. It needs the secret key that the backup was
    sealed with, and an empty database. All of it is one transaction: what fails changes nothing.

    A relay that was set back has every create paused, from the first moment on, until `relay pause
    end`; and a new prefix of external ids, so that what Kling made in the time that is lost is
    never taken for a new task. `relay recover` lists it.
    """
    if (backup is None) == (as_of is None):
        raise click.UsageError("Name a backup, or say --as-of where there is none to read.")
    if backup is None:
        assert as_of is not None, "checked just now"
        if replaces:
            raise click.UsageError("--replace is for a backup.")
        _tell(_mark(as_of, is_sure=is_sure), None, as_json=as_json)
        return
    settings = current_settings()
    chosen = run(choose(place_at(backup)))
    header = chosen.header
    if header.currency not in (None, settings.currency):
        raise WrongSettings(
            f"its books are in {header.currency}, and RELAY_CURRENCY is {settings.currency}: set it"
            f" to {header.currency} first"
        )
    keys = given_keys(settings)
    with open_url(settings) as url:
        look_or_failure(url)
        refuse_transaction_pooler(url)
        where = spelled(url) if settings.database_url else "the embedded database"
        note(
            f"{chosen.spelled}\n  as of {moment(header.made_at)}, of the relay whose external ids"
            f" begin with {header.deployment}, to be restored into {where}."
        )
        ask("What was committed after that moment will be missing. Restore it?", is_sure=is_sure)
        marked, aside = _restore(url, settings, backup=chosen, keys=keys, replaces=replaces)
        _keep_key(settings)
        _try_keys(Database(settings, url, keys, is_embedded=settings.database_url is None))
    _tell(marked, aside, as_json=as_json)


def _restore(
    url: str, settings: Settings, *, backup: Chosen, keys: KeyRing, replaces: bool
) -> tuple[Marked, str | None]:
    """Do it in one transaction with the mark; return the mark, and where is what was there."""
    from relay.backups.restore import restore as restore_backup
    from relay.cli.words import worded
    from relay.desk.actor import system_user
    from relay.desk.backups import mark_restored
    from relay.desk.errors import DeskError

    marks = []

    async def mark(session: AsyncSession) -> None:
        as_of, source = backup.header.made_at, backup.spelled
        marks.append(await mark_restored(session, system_user(), as_of=as_of, source=source))

    try:
        restored = run(
            restore_backup(url, backup.place, backup.header, keys, replaces=replaces, then=mark)
        )
    except DeskError as error:
        raise Failure(worded(error, settings.currency)) from error
    return marks[0], restored.set_aside


def _mark(as_of: Span, *, is_sure: bool) -> Marked:
    from relay.backups.restore import RestoreRefused, refuse_others
    from relay.desk.backups import mark_restored

    async def work(session: AsyncSession, actor: Actor) -> Marked:
        await refuse_others(session)
        return await mark_restored(session, actor, as_of=as_of.start, source="Postgres")

    with open_database() as database:
        where = "the embedded database" if database.is_embedded else spelled(database.url)
        ask(
            f"Every create will be paused in {where}, which was set back to"
            f" {moment(as_of.start)}. Is that so?",
            is_sure=is_sure,
        )
        try:
            return database.act(work)
        except RestoreRefused as error:
            raise Failure(str(error)) from error


def _keep_key(settings: Settings) -> None:
    """Have an embedded database find its key, where a person gave it by hand."""
    if settings.database_url is not None or settings.secret_key is None:
        return
    path = own_key_file(settings)
    if own_secret_key(path.parent, given=settings.secret_key) != settings.secret_key:
        note(f"{path} has another key: put the one there that you gave in RELAY_SECRET_KEY.")


def _try_keys(database: Database) -> None:
    """Say which key is missing beside the one that opened the backup."""
    from relay.desk.sealed import open_what_is_used

    try:
        database.read(lambda session: open_what_is_used(session, database.keys))
    except WrongSettings as failure:
        note(f"It was restored, but {failure}")


def _tell(marked: Marked, aside: str | None, *, as_json: bool) -> None:
    if as_json:
        from msgspec import to_builtins

        print_json(to_builtins(marked) | {"set_aside": aside})
        return
    click.echo(
        f"Set back. Every create is paused (pause {marked.pause_id}), and external ids begin with"
        f" {marked.external_prefix} from now on, no more with {marked.former_prefix}."
    )
    if aside is not None:
        click.echo(
            f"What was there is whole in the schema {aside}: `DROP SCHEMA {aside} CASCADE` once you"
            " are sure."
        )
    click.echo("Next")
    for command, what in (
        ("relay check", "whether all else is in order here"),
        ("relay serve", "tenants can ask for their tasks again; creates are answered 503/5001"),
        ("relay recover", "what Kling made in the time that is lost, and what to do again"),
        (f"relay pause end {marked.pause_id}", "creates go on"),
    ):
        click.echo(f"  {command.ljust(20)}  {what}")
