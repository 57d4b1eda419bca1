"""`relay console`: the office's pages, for whoever has a shell on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.show import json_option, note, print_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor

EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 (what the setting may say)


@click.group()
def console() -> None:
    """Enter the office's pages, which operators work in."""


@console.command("open")
@json_option
@examples("relay console open", "xdg-open $(relay console open)")
def open_(*, as_json: bool) -> None:
    """Print a link by which this machine's user enters the console, without a password.

    It is good once, for ten minutes, and only while a relay serves the office here. In it one may
    all, under the name of this machine's user.
    """

    async def work(session: AsyncSession, actor: Actor) -> str:
        from relay.desk.logins import open_console

        return await open_console(session, actor)

    with open_database() as database:
        settings = database.settings
        link = f"{office_url(settings.office_host, settings.office_port)}/console/enter?key="
        link += database.act(work)
    if as_json:
        print_json({"link": link, "good_for_s": 600})
    else:
        click.echo(link)
        note("It is good once, for ten minutes, and while a relay serves the office here.")


def office_url(host: str, port: int) -> str:
    """Say where a browser of this machine finds the office."""
    if host in EVERYWHERE:
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
