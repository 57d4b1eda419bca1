"""`relay secret-key`: a fresh key for RELAY_SECRET_KEY."""

import rich_click as click

from relay.cli.examples import examples


@click.command("secret-key")
@click.option(
    "--id",
    "name",
    default="k1",
    show_default=True,
    help="Letters and digits that name it; a second key needs another id.",
)
@examples(
    'export RELAY_SECRET_KEY="$(relay secret-key)"',
    'RELAY_SECRET_KEY="$(relay secret-key --id k2),$OLD"   # rotate: the first one writes',
)
def secret_key(name: str) -> None:
    """Make a fresh secret key: it protects the keys of channels and tenants in the database.

    Keep it as safe as the database and apart from it: without it, stored keys cannot be read.
    """
    from relay.secrets import new_secret_key

    if not (name.isalnum() and name.isascii()):
        raise click.BadParameter("It has letters and digits only.", param_hint="'--id'")
    click.echo(new_secret_key(name))
