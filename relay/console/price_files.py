"""All prices at once as a file: taken along, compared, put in force, and tried on a month."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, WRONG, attempt, is_sure
from relay.console.page import Asked, Page
from relay.console.price_plan import read_payers
from relay.console.price_plans import Plans, plan_all
from relay.console.prices import HERE as PRICES
from relay.console.problems import sentence_of
from relay.desk.errors import Unusable
from relay.desk.price_files import compare_file, import_prices, prices_of
from relay.html.form import Form, read_form
from relay.pricing.book import Multiplier, PriceRow
from relay.pricing.difference import Difference
from relay.pricing.file import FileError, PriceFile, read_file, spell_file
from relay.pricing.in_force import read_prices
from relay.tenants.read import read_tenants

HERE = f"{PRICES}/file"
CHARS_MAX = 250_000
"""Of a file in a form; a greater one is for the command."""
TOML = "application/toml"


class Compared(msgspec.Struct, frozen=True):
    """What putting a file in force would change."""

    difference: Difference
    names: dict[int, str]
    plans: Plans
    sure: str

    @property
    def lines(self) -> list[tuple[bool, PriceRow | Multiplier]]:
        """List what ends (False) and what is new (True), what is for the same beside each other."""
        both = [(False, one) for one in self.difference.ended]
        both += [(True, one) for one in self.difference.added]
        return sorted(both, key=lambda line: (*_subject(line[1]), line[0]))


class PriceFiles(Controller):
    path = HERE
    guards = (may("price.read"),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Offer the file, and ask for one."""
        return await _show(page, Form(page.say))

    @get("/prices.toml")
    async def download(self, page: NamedDependency[Page]) -> Response[bytes]:
        """Give all prices and multipliers, in force and to come."""
        text = await spell_prices(page)
        return Response(
            text.encode(),
            media_type=TOML,
            headers={"content-disposition": 'attachment; filename="prices.toml"'},
        )

    @post()
    async def put(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Show what a file would end and add; and put it in force, once that was seen."""
        form, file = await read_prices_form(page, request)
        compared = await _compare(page, form, file)
        if compared is None or file is None:
            return await _show(page, form, status=WRONG)
        if not is_sure(form, compared.sure):
            return await _show(page, form, compared=compared)

        async def work(session: AsyncSession) -> None:
            await import_prices(session, page.actor, file, seen=compared.difference)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(PRICES, said="saved")
        return await _show(page, form, status=status)


async def spell_prices(page: Page) -> str:
    """Spell all prices and multipliers, in force and to come, as a file."""
    async with page.reading() as session:
        names = {row.id: row.name for row in await read_tenants(session)}
        return spell_file(await read_prices(session, page.office.settings.zone), names)


async def read_prices_form(page: Page, request: Asked) -> tuple[Form, PriceFile | None]:
    """Read a file that was uploaded, or typed; an uploaded one stands in the form from then on."""
    form = await read_form(request, page.say)
    upload = (await request.form()).get("upload")
    if isinstance(upload, UploadFile) and upload.filename:
        try:
            form.values["toml"] = (await upload.read()).decode()
        except UnicodeDecodeError:
            form.errors["upload"] = page.say("This is no file of text.")
            return form, None
    text = form.values.get("toml", "")
    if not text.strip():
        form.errors["toml"] = page.say("Fill this in.")
    elif len(text) > CHARS_MAX:
        form.errors["toml"] = page.say(
            "At most %(most)s characters.", most=page.spell.number(CHARS_MAX)
        )
    if not form.is_right:
        return form, None
    try:
        return form, read_file(text, page.office.settings.zone, page.office.catalogue)
    except FileError as error:
        form.errors["toml"] = page.sentence(str(error))
        return form, None


async def _compare(page: Page, form: Form, file: PriceFile | None) -> Compared | None:
    if file is None:
        return None
    try:
        async with page.reading() as session:
            difference, names = await compare_file(session, file)
            payers = await read_payers(session)
            before = await read_prices(session, page.office.settings.zone)
            after = await prices_of(session, file, page.office.settings.zone)
    except Unusable as error:
        form.errors["toml"] = sentence_of(error, page)
        return None
    both = [*difference.ended, *difference.added]
    if difference.multiplies_amounts is not None:
        both += [row for row in after.standing_rows if row.amount_micros is not None]
    plans = await plan_all(page, payers, both, before=before, after=after)
    return Compared(
        difference, names, plans, sha256(msgspec.json.encode(difference)).hexdigest()[:32]
    )


def _subject(one: PriceRow | Multiplier) -> tuple[str, ...]:
    if isinstance(one, Multiplier):
        return ("", str(one.tenant_id or ""), one.price_group or "")
    return (one.endpoint, one.model or "", one.mode or "", str(one.tenant_id or ""))


async def _show(
    page: Page, form: Form, *, compared: Compared | None = None, status: int = OK
) -> Response[Any]:
    shown: Mapping[str, Any] = {"form": form, "compared": compared}
    return await page.render("prices/file.html", status=status, **shown)
