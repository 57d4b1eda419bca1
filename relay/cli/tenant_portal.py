"""`relay tenant link` and `log-out`: who of a tenant is let into the portal, and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.show import json_option, note, print_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.portal import PortalLink


@click.command()
@click.argument("name", help="The tenant's name.")
@click.option(
    "--support",
    "is_for_support",
    is_flag=True,
    help="To enter yourself: the tenant sees that you are in, and not from where.",
)
@json_option
@examples("relay tenant link acme", "relay tenant link acme --support")
def link(name: str, *, is_for_support: bool, as_json: bool) -> None:
    """Print a link by which somebody of a tenant enters the portal, without a key.

    It is good once, for an hour. Who enters by it may see and change all that is the tenant's
    there, as its token `portal`, which is made with the first link: limits of that token bound what
    is made in the portal, and its revocation logs everybody out.
    """

    async def work(session: AsyncSession, actor: Actor) -> PortalLink:
        from relay.desk.portal import link_tenant

        return await link_tenant(session, actor, name, database.keys, is_for_support=is_for_support)

    with open_database() as database:
        from relay.desk.portal import portal_link

        made = database.act(work)
        settings = database.settings
        address = portal_link(settings, made.key)
    if as_json:
        print_json({"link": address, "token_id": made.token_id, "expires_at": made.expires_at})
        return
    click.echo(address)
    if is_for_support:
        note("It is good once, for an hour, and for you: send it to nobody.")
    else:
        note("It is good once, for an hour: send it to one person, by a way that only they read.")
    if not settings.portal:
        note("The portal is switched off: it opens nothing before RELAY_PORTAL=true is set.")
    elif not (settings.public_url or "").startswith("https://"):
        note("Over plain http the portal lets in browsers of this machine alone.")


@click.command("log-out")
@click.argument("name", help="The tenant's name.")
@json_option
def log_out(name: str, *, as_json: bool) -> None:
    """Log a tenant out of the portal in every browser, and end links that nobody has used."""

    async def work(session: AsyncSession, actor: Actor) -> int:
        from relay.desk.portal import end_sessions_of

        return await end_sessions_of(session, actor, name)

    with open_database() as database:
        ended = database.act(work)
    if as_json:
        print_json({"sessions_ended": ended})
    else:
        click.echo(f"Logged {name} out of {ended} {'browser' if ended == 1 else 'browsers'}.")
