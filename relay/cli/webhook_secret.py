"""`relay tenant webhook-secret`: what a tenant checks our callbacks with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.show import json_option, moment, note, print_json, print_pairs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.tenants import IssuedSecret


@click.command("webhook-secret")
@click.argument("name", help="The tenant's name.")
@click.option(
    "--rotate",
    "may_rotate",
    is_flag=True,
    help="Make a new one; the old one signs beside it for 7 days.",
)
@click.option(
    "--end-former",
    "ends_former",
    is_flag=True,
    help="With --rotate: though a former one still signs, which ends then.",
)
@json_option
@examples("relay tenant webhook-secret acme", "relay tenant webhook-secret acme --rotate")
def webhook_secret(name: str, *, may_rotate: bool, ends_former: bool, as_json: bool) -> None:
    """Make the secret that signs a tenant's callbacks, and show it this once."""

    async def work(session: AsyncSession, actor: Actor) -> IssuedSecret:
        from relay.desk.tenants import issue_webhook_secret

        return await issue_webhook_secret(
            *(session, actor, name, database.keys),
            may_rotate=may_rotate,
            ends_former=ends_former,
        )

    with open_database() as database:
        issued = database.act(work)
    if as_json:
        print_json(issued)
    else:
        until = issued.replaced_signs_until
        print_pairs(
            [
                ("secret", issued.secret),
                ("the old one signs until", moment(until) if until else None),
            ]
        )
    note("It is shown this once: hand it to the tenant now.")
