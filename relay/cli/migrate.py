"""`relay migrate`: bring the database to this version's schema."""

import time

import rich_click as click

from relay.cli.database import current_settings, open_database, open_url
from relay.cli.examples import examples
from relay.cli.failure import Failure, WrongSettings
from relay.cli.revision import (
    Found,
    look_or_failure,
    migrate_now,
    refuse_other_currency,
    refuse_strange,
    refuse_transaction_pooler,
)
from relay.cli.show import json_option, print_json

LOOKS_EVERY_S = 0.5


@click.command()
@click.option(
    "--revision",
    default="head",
    show_default=True,
    help="Where to go; an older revision goes back, and base removes every table.",
)
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(min=0, max=86400),
    metavar="SECONDS",
    help="Change nothing: wait up to so long until another `relay migrate` has done it.",
)
@json_option
@examples("relay migrate", "relay migrate --revision 0101", "relay migrate --wait 600")
def migrate(revision: str, *, patience_s: float | None, as_json: bool) -> None:
    """Bring the database to this version's schema.

    Several at once take turns. Needs no RELAY_SECRET_KEY. An embedded database is migrated by
    every command by itself.
    """
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    if patience_s is not None:
        found = _wait(patience_s)
        if as_json:
            print_json({"from": found.revision, "to": found.revision})
        else:
            click.echo(f"at revision {_named(found.revision)}")
        return
    settings = current_settings()
    with open_url(settings) as url:
        found = look_or_failure(url)
        refuse_transaction_pooler(url)
        before = found.revision
        refuse_strange(before)
        refuse_other_currency(found, settings.currency)
        try:
            migrate_now(url, revision=revision)
        except (CommandError, RevisionError) as error:
            raise Failure(f"revision '{revision}': {error.args[0]}") from error
        after = look_or_failure(url).revision
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        click.echo(f"at revision {_named(after)} already")
    else:
        click.echo(f"from {_named(before)} to {_named(after)}")


def _wait(patience_s: float) -> Found:
    """Wait until a process could start on the database; where all starts at once it may not answer.

    Raises:
        WrongSettings, DatabaseBehind, Failure: what still is in the way; the first one at once.
    """
    ends_at = time.monotonic() + patience_s
    while True:
        try:
            with open_database() as database:
                return look_or_failure(database.url)
        except WrongSettings:
            raise
        except Failure:
            if time.monotonic() >= ends_at:
                raise
        time.sleep(LOOKS_EVERY_S)


def _named(revision: str | None) -> str:
    return "no tables" if revision is None else revision
