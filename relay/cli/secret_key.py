"""`relay secret-key`: a fresh key for RELAY_SECRET_KEY, and the change from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, print_json

if TYPE_CHECKING:
    from relay.cli.database import Database
    from relay.desk.secret_keys import KnownKey

UNREADABLE_SHOWN = 5


@click.group("secret-key", invoke_without_command=True)
@click.option(
    "--id",
    "name",
    default="k1",
    show_default=True,
    help="Letters and digits that name it; a second key needs another id.",
)
@click.pass_context
@examples(
    'export RELAY_SECRET_KEY="$(relay secret-key)"',
    'RELAY_SECRET_KEY="$(relay secret-key --id k2),$OLD"   # rotate: the first one writes',
    "relay secret-key rotate                               # and this seals anew with it",
)
def secret_key(context: click.Context, name: str) -> None:
    """Make a fresh secret key: it protects the keys of channels and tenants in the database.

    Keep it as safe as the database and apart from it: without it, stored keys cannot be read.
    """
    if context.invoked_subcommand is not None:
        return
    from relay.secrets import new_secret_key

    if not (name.isalnum() and name.isascii()):
        raise click.BadParameter("It has letters and digits only.", param_hint="'--id'")
    click.echo(new_secret_key(name))


@secret_key.command()
@click.option("--lost", metavar="ID", help="A key that nobody has any more; what it sealed is.")
@json_option
@examples("relay secret-key rotate", "relay secret-key rotate --lost k1")
def rotate(lost: str | None, *, as_json: bool) -> None:
    """Seal everything anew with the first key of RELAY_SECRET_KEY, while all goes on.

    Before: put the new key in front of the old one and restart every process. After: keep the old
    one until this says, asked again, that it can be dropped. What no key opens stays as it is and
    is named (exit code 1): enter it anew.
    """
    with open_database() as database:
        number, unreadable = _reseal_all(database, lost)
        known = _retire(database)
        current = database.keys.current
    if as_json:
        from msgspec import to_builtins

        keys = [to_builtins(key) for key in known]
        print_json({"resealed": number, "unreadable": unreadable, "keys": keys})
    else:
        click.echo(f"sealed anew with '{current}': {number}")
        for key in known:
            if not key.is_current:
                click.echo(_told(key))
    if unreadable:
        shown = ", ".join(unreadable[:UNREADABLE_SHOWN])
        more = ", …" if len(unreadable) > UNREADABLE_SHOWN else ""
        raise Failure(f"no key opens {len(unreadable)} values ({shown}{more}): enter them anew")


def _reseal_all(database: Database, lost: str | None) -> tuple[int, list[str]]:
    """Seal all anew, some in a transaction; how many, and the rows that no key opens."""
    from functools import partial

    from relay.desk.secret_keys import SEALED, lose_key, reseal_values

    if lost is not None:
        database.act(lambda session, actor: lose_key(session, actor, database.keys, lost))
    number, unreadable = 0, []
    for column in SEALED:
        after_id: int | None = 0
        while after_id is not None:
            resealed = database.act(
                partial(reseal_values, keys=database.keys, column=column, after_id=after_id)
            )
            number += resealed.number
            unreadable += [f"{column.title} of {id_}" for id_ in resealed.unreadable]
            after_id = resealed.last_id
    return number, unreadable


def _retire(database: Database) -> list[KnownKey]:
    from relay.desk.secret_keys import retire_keys

    return database.act(lambda session, actor: retire_keys(session, actor, database.keys))


def _told(key: KnownKey) -> str:
    if key.values:
        return f"'{key.id}' still seals {key.values} values"
    if key.live_tasks:
        return (
            f"'{key.id}' seals nothing any more; keep it while {key.live_tasks} tasks live that"
            " began before"
        )
    return f"'{key.id}' can be dropped from RELAY_SECRET_KEY"
