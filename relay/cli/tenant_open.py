"""`relay tenant open`: a tenant with its keys, its limits, and a sheet to send it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.limit_options import by_kind, limit_options
from relay.cli.parameters import Amount, Name, Words
from relay.cli.show import note
from relay.cli.tenant_options import multiplier_option, number, price_group_option, unless_none
from relay.cli.tenant_rows import print_tenants, read_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from typing import BinaryIO

    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.desk.actor import Actor
    from relay.desk.shown import ShownTenant
    from relay.settings import Settings

HTML = (".html", ".htm")


@click.command("open")
@click.argument("name", type=Name(), help="Its name, for you and for `relay` commands.")
@click.option(
    "--quota",
    type=Amount(least=0),
    default="0",
    metavar="AMOUNT",
    help="What it may spend, in the relay's currency; entered as a top-up that was paid.",
)
@click.option(
    "--contact", type=Words("contact"), help="Who is written to about it: a name, a mail, a number."
)
@multiplier_option
@price_group_option
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="Served by channels of this group alone; again for more. Default: by all.",
)
@limit_options("limit-")
@click.option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    default="en",
    show_default=True,
    help="Of the sheet: English or Chinese.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A new file for the sheet, readable by you alone; HTML if its name ends in .html, else"
    " Markdown. Default: Markdown to stdout.",
)
@click.option(
    "--base-url", metavar="URL", help="Where it finds the relay. Default: RELAY_PUBLIC_URL."
)
@examples(
    "relay tenant open acme --quota 100 --limit-month 500 --sheet acme.html --lang zh",
    "relay tenant open acme --contact ann@acme.test --price-group resellers > acme.md",
)
def open_command(
    name: str,
    quota: int,
    contact: str | None,
    multiplier: Decimal | str | None,
    price_group: str | None,
    groups: tuple[str, ...],
    allowed: dict[str, int | None],
    lang: str,
    sheet: str | None,
    base_url: str | None,
) -> None:
    """Open a tenant with all it needs, and write the sheet to send it.

    Its account with the quota, limits, keys, and the secret that signs its callbacks, all or
    nothing. The sheet has them with the base URL, prices and examples. Its secrets are in no other
    place, and are never shown again.
    """

    def origin_of(settings: Settings) -> str:
        origin = base_url or settings.public_url
        if origin is None:
            raise Failure(
                "where tenants find the relay is not known: say --base-url, or set"
                " RELAY_PUBLIC_URL; nothing was made"
            )
        if not origin.startswith(("http://", "https://")):
            raise click.UsageError(f"'{origin}' is no URL such as https://relay.example.com.")
        return origin

    async def work(session: AsyncSession, actor: Actor) -> tuple[ShownTenant, str]:
        from relay.choices import Language
        from relay.desk.opening.paper import to_html, to_markdown
        from relay.desk.opening.welcome import lay_out, read_welcome
        from relay.desk.opening.whole import Opening, open_whole

        opening = Opening(
            name=name,
            quota_micros=quota,
            multiplier=number(multiplier),
            price_group=unless_none(price_group),
            groups=list(groups) or None,
            contact=contact,
            limits=by_kind(allowed),
        )
        opened = await open_whole(
            *(session, actor, opening),
            currency=settings.currency,
            keys=database.keys,
            zone=settings.zone,
        )
        welcome = await read_welcome(session, opened, origin=origin, settings=settings)
        paper = lay_out(welcome, Language(lang))
        is_html = sheet is not None and sheet.lower().endswith(HTML)
        spelt = to_html(paper) if is_html else to_markdown(paper)
        return await read_tenant(session, name, settings), spelt

    with open_database() as database:
        settings = database.settings
        origin = origin_of(settings)
        if sheet is None:
            _, spelt = database.act(work)
            click.echo(spelt, nl=False)
            note(f"'{name}' is open. Its secrets are in this sheet alone: send it on a safe way.")
            return
        with _new_file(sheet) as file:
            shown, spelt = database.act(work)
            file.write(spelt.encode())
    print_tenants([shown], settings.currency)
    note(f"Its sheet is {sheet}, the only place that has its secrets: send it on a safe way.")


@contextlib.contextmanager
def _new_file(path: str) -> Iterator[BinaryIO]:
    """Make a file before anything is done whose only record it will be; none is left if it fails.

    Raises:
        Failure: it is there already, or cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Failure(f"{path} cannot be made: {error.strerror}; nothing was made") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        if not Path(path).stat().st_size:
            Path(path).unlink()
        raise
