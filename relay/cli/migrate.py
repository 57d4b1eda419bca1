"""`relay migrate`: bring the database to this version's schema."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import Database, current_settings, open_database, open_url
from relay.cli.examples import examples
from relay.cli.failure import DatabaseBehind, Failure, WrongSettings
from relay.cli.revision import (
    Found,
    look_or_failure,
    migrate_now,
    newest,
    refuse_other_currency,
    refuse_strange,
    refuse_transaction_pooler,
)
from relay.cli.show import json_option, print_json

if TYPE_CHECKING:
    from relay.settings import Settings

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
@click.option("--plan", "is_plan", is_flag=True, help="Only say what would be locked, how long.")
@click.option("--sql", "as_sql", is_flag=True, help="With --plan: print the statements.")
@json_option
@examples(
    "relay migrate --plan",
    "relay migrate",
    "relay migrate --revision 0101",
    "relay migrate --wait 600",
)
def migrate(
    revision: str, *, patience_s: float | None, is_plan: bool, as_sql: bool, as_json: bool
) -> None:
    """Bring the database to this version's schema.

    Several at once take turns. Needs no RELAY_SECRET_KEY. An embedded database is migrated by
    every command by itself. One that a newer version has migrated is left as it is, if this version
    runs on it.

    --plan changes nothing: of each migration that is due it says which tables it changes, how large
    they are, what it locks and who waits, about how long.
    """
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    if as_sql and (as_json or not is_plan):
        raise click.UsageError("--sql goes with --plan, and without --json.")
    if is_plan and patience_s is not None:
        raise click.UsageError("--plan does not wait.")
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
        refuse_strange(found)
        refuse_other_currency(found, settings.currency)
        if is_plan:
            _plan(settings, url, found, revision=revision, as_sql=as_sql, as_json=as_json)
            return
        if found.is_newer:
            _leave(found, revision=revision, as_json=as_json)
            return
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


def _plan(
    settings: Settings,
    url: str,
    found: Found,
    *,
    revision: str,
    as_sql: bool,
    as_json: bool,
) -> None:
    from alembic.util import CommandError

    from relay.cli.migrate_plan import print_plan, print_sql
    from relay.database.pending import pending_migrations
    from relay.database.plan import plan_migrations, read_known
    from relay.secrets import KeyRing, new_secret_key

    current = found.revision
    if current is not None and revision != "head" and revision < current:
        raise Failure(f"the database is at revision {current}: --plan is for the way forward")
    try:
        pending = [] if found.is_newer else pending_migrations(current, target=revision)
    except CommandError as error:
        raise Failure(f"revision '{revision}': {error.args[0]}") from error
    if as_sql:
        print_sql(pending)
        return
    # Nothing sealed is read.
    database = Database(settings, url, KeyRing.parse(new_secret_key()), is_embedded=False)
    known = database.read(read_known)
    planned = plan_migrations(pending, known)
    print_plan(planned, known, is_new=current is None, as_json=as_json)


def _leave(found: Found, *, revision: str, as_json: bool) -> None:
    """Say that a newer version has migrated it further, on which this one runs as well."""
    if revision != "head":
        raise DatabaseBehind(
            f"the database is at revision {found.revision}, newer than {newest()}, the newest that"
            " this version of the relay knows: only a version that knows it can go back from it"
        )
    if as_json:
        print_json({"from": found.revision, "to": found.revision})
    else:
        click.echo(
            f"at revision {found.revision}, newer than this version's {newest()}, which runs on it"
        )


def _named(revision: str | None) -> str:
    return "no tables" if revision is None else revision
