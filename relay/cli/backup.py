"""`relay backup`: sealed copies of the whole database, and whether they can be used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.backup_files import choose, place_or_usual, run, size_of
from relay.cli.database import (
    Database,
    current_settings,
    given_keys,
    key_ring,
    open_url,
    own_key_file,
    refuse_other_keys,
)
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.revision import look_or_failure, newest, refuse_transaction_pooler
from relay.cli.show import json_option, moment, note, print_json, print_table

if TYPE_CHECKING:
    from relay.backups.places import Place
    from relay.backups.take import Taken
    from relay.settings import Settings


@click.group(invoke_without_command=True)
@click.option(
    "--to",
    metavar="PLACE",
    help="A folder, a file, or s3://bucket/folder; else RELAY_BACKUP_TO.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Delete older ones of this database in the folder, all but the newest N.",
)
@json_option
@click.pass_context
@examples(
    "relay backup --to /var/backups/relay/",
    "relay backup --to s3://acme-backups/relay/ --keep 14",
    "relay backup verify s3://acme-backups/relay/    # its newest one",
    "relay backup list /var/backups/relay/",
)
def backup(ctx: click.Context, to: str | None, keep: int | None, *, as_json: bool) -> None:
    """Copy the whole database, sealed with the secret key, beside live traffic.

    The key is not in the copy, and the copy is worth nothing without it: keep RELAY_SECRET_KEY
    apart from backups, and as safe. In a folder each has a name of its own; it appears when all of
    it is written. A bucket is reached as the AWS_ variables say (AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION; AWS_ENDPOINT_URL for another maker's).

    With RELAY_BACKUP_TO a worker makes one by itself, a day. Works on the schema of an older relay
    too: take one before `relay migrate`.
    """
    if ctx.invoked_subcommand is not None:
        if any(value not in (None, False) for value in ctx.params.values()):
            raise click.UsageError(f"Options of `{ctx.invoked_subcommand}` stand behind it.")
        return
    settings = current_settings()
    place = place_or_usual(to, settings)
    if keep is not None and place.name is not None:
        raise click.UsageError("--keep is for a folder.")
    began = time.monotonic()
    taken, is_noted = _take(settings, place)
    deleted = []
    if keep is not None:
        from relay.backups.keep import delete_older

        deleted = run(delete_older(place.folder, deployment=taken.deployment, keep=keep))
    if as_json:
        from msgspec import to_builtins

        print_json(to_builtins(taken) | {"deleted": deleted})
        return
    click.echo(
        f"{taken.place}: {size_of(taken.bytes)}, as of {moment(taken.made_at)}, in"
        f" {time.monotonic() - began:.1f} s"
    )
    for one in deleted:
        click.echo(f"deleted {one}")
    where = "RELAY_SECRET_KEY" if settings.secret_key else str(own_key_file(settings))
    note(
        f"It is sealed with the secret key '{taken.key_id}', which is not in it. Without that key"
        f" nobody can use it: keep a copy of {where} elsewhere."
    )
    if not is_noted:
        note(f"The schema is of an older relay (revision {taken.revision}): it is not noted there.")


def _take(settings: Settings, place: Place) -> tuple[Taken, bool]:
    """Make it; and tell whether the database could write it down."""
    from relay.backups.take import take_backup
    from relay.desk.backups import note_backup

    with open_url(settings) as url:
        found = look_or_failure(url)
        refuse_transaction_pooler(url)
        if found.revision is None:
            raise Failure("the database has no tables yet, so there is nothing to copy")
        keys = key_ring(settings)
        database = Database(settings, url, keys, is_embedded=settings.database_url is None)
        if found.is_usable:
            refuse_other_keys(database)
        taken = run(take_backup(url, keys, place))
        if found.is_usable:
            database.act(lambda session, actor: note_backup(session, actor, taken))
    return taken, found.is_usable


@backup.command("list")
@click.argument(
    "place", required=False, help="A folder, or s3://bucket/folder; else RELAY_BACKUP_TO."
)
@json_option
def list_command(place: str | None, *, as_json: bool) -> None:
    """List the backups in a folder, newest first; needs neither key nor database."""
    from relay.backups.listed import list_backups

    listing = run(list_backups(place_or_usual(place, current_settings()).folder))
    if as_json:
        print_json(listing)
        return
    for name, why in listing.others.items():
        note(f"{name}: {why}")
    print_table(
        ["as of", ">size", "revision", "key", "of", "place"],
        [
            (
                moment(one.header.made_at),
                size_of(one.bytes),
                one.header.revision,
                one.header.key_id,
                one.header.deployment,
                one.place,
            )
            for one in listing.backups
        ],
        empty="There are none.",
    )


@backup.command()
@click.argument(
    "backup",
    required=False,
    help="A file; of a folder, else of RELAY_BACKUP_TO, its newest one.",
)
@click.option(
    "--scratch",
    metavar="FOLDER",
    type=click.Path(file_okay=False, exists=True),
    help="Where there is room for it.",
)
@json_option
@examples(
    "relay backup verify /var/backups/relay/",
    "relay backup verify s3://acme/kling-relay-r0…-20261126T030000Z.backup",
)
def verify(backup: str | None, scratch: str | None, *, as_json: bool) -> None:
    """Restore a backup into a scratch database of its own, and audit the books in it.

    The relay's own database is neither asked nor changed, so it runs wherever RELAY_SECRET_KEY is.
    Needs room for all of it, in the folder for temporary files unless another is named. Exit code
    0: it can be restored, its books are right, and the secret keys open what is sealed in it.
    """
    from relay.database.embedded import EmbeddedPostgresError
    from relay.database.embedded.scratch import scratch_postgres

    settings = current_settings()
    chosen = run(choose(place_or_usual(backup, settings)))
    keys = given_keys(settings)
    from relay.backups.verify import verify as verify_backup
    from relay.desk.sealed import open_what_is_used

    began = time.monotonic()
    try:
        with scratch_postgres(scratch) as server:
            found = run(verify_backup(server.url(), chosen.place, chosen.header, keys))
            Database(settings, server.url(), keys, is_embedded=True).read(
                lambda session: open_what_is_used(session, keys)
            )
    except EmbeddedPostgresError as error:
        raise Failure(str(error)) from error
    books, header = found.books, found.header
    if as_json:
        print_json(found)
    else:
        click.echo(
            f"{chosen.spelled}: as of {moment(header.made_at)}, revision {header.revision}, made by"
            f" relay {header.relay} on PostgreSQL {header.postgres}"
        )
        for one in books.differences:
            click.echo(f"  {one.rule}: {one.row} has {one.actual}, and should have {one.expected}")
    if not books.ok:
        raise Failure(f"its books are wrong: {len(books.differences)} differences")
    if not as_json:
        click.echo(
            f"It can be restored, and its books are right: {books.accounts} accounts,"
            f" {books.tasks} tasks, {books.entries} entries; tried in"
            f" {time.monotonic() - began:.1f} s."
        )
        if header.revision < newest():
            click.echo(f"Its schema is brought to this version's {newest()} as it is restored.")
