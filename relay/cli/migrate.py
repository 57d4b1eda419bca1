"""`relay migrate`: bring the database to this version's schema."""

import rich_click as click

from relay.cli.database import current_settings, open_url
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.revision import (
    look_or_failure,
    migrate_now,
    refuse_other_currency,
    refuse_strange,
    refuse_transaction_pooler,
)
from relay.cli.show import json_option, print_json


@click.command()
@click.option(
    "--revision",
    default="head",
    show_default=True,
    help="Where to go; an older revision goes back, and base removes every table.",
)
@json_option
@examples("relay migrate", "relay migrate --revision 0101")
def migrate(revision: str, *, as_json: bool) -> None:
    """Bring the database to this version's schema.

    Several at once take turns. Needs no RELAY_SECRET_KEY. An embedded database is migrated by
    every command by itself.
    """
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

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


def _named(revision: str | None) -> str:
    return "no tables" if revision is None else revision
