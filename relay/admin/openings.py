"""A tenant opened whole, with the sheet that it is sent."""

from enum import StrEnum
from typing import Annotated

import msgspec
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import Count, Micros, Name, Number, Words, decimal_or_none
from relay.admin.bounding import LimitsPatch, allowed_of
from relay.admin.problems import WrongField
from relay.admin.routes import acts
from relay.choices import Language
from relay.desk.actor import Actor
from relay.desk.opening.paper import to_html, to_markdown
from relay.desk.opening.welcome import lay_out, read_welcome
from relay.desk.opening.whole import Opening, open_whole
from relay.desk.shown import ShownTenant, read_shown_tenant
from relay.desk.tokens import IssuedToken

Origin = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]+", max_length=300)]


class SheetForm(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"


class NewOpening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tenant begins with, and how its sheet is."""

    name: Name
    quota_micros: Micros = 0
    """Entered as a top-up that was paid."""
    multiplier: Number | None = None
    price_group: Name | None = None
    tasks_max: Count | None = None
    groups: list[Name] | None = None
    """Of channels that serve it; null is all."""
    contact: Words | None = None
    """Who is written to about it."""
    limits: LimitsPatch = LimitsPatch()
    lang: Language = Language.EN
    form: SheetForm = SheetForm.MARKDOWN
    base_url: Origin | None = None
    """Where it finds the relay; null is the public URL of the settings."""


class OpenedTenant(msgspec.Struct, frozen=True):
    """With its secrets, which are shown this once."""

    tenant: ShownTenant
    token: IssuedToken
    webhook_secret: str
    sheet: str
    """To send it: base URL, keys, prices, limits, examples."""


class Openings(Controller):
    path = "/admin/v1/tenants"
    tags = ("Tenants",)

    @post("/open", **acts("tenant.open"))
    async def open(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewOpening]
    ) -> Response[OpenedTenant]:
        """Open a tenant with limits, keys and webhook secret, all or nothing, and a sheet to send.

        Each part needs the role that it needs alone.
        """
        settings = desk.settings
        origin = data.base_url or settings.public_url
        if origin is None:
            raise WrongField("base_url", "the relay has no public URL: say where it is found")
        fields = {name: getattr(data, name) for name in Opening.__struct_fields__}
        given = {"multiplier": decimal_or_none(data.multiplier), "limits": allowed_of(data.limits)}
        opening = Opening(**fields | given)
        spell = to_html if data.form is SheetForm.HTML else to_markdown

        async def work(session: AsyncSession, actor: Actor) -> OpenedTenant:
            opened = await open_whole(
                *(session, actor, opening),
                currency=settings.currency,
                keys=desk.keys,
                zone=settings.zone,
            )
            welcome = await read_welcome(session, opened, origin=origin, settings=settings)
            shown = await read_shown_tenant(
                session, data.name, zone=settings.zone, currency=settings.currency
            )
            sheet = spell(lay_out(welcome, data.lang))
            return OpenedTenant(shown, opened.token, opened.webhook_secret, sheet)

        return await desk.act(work, status=201)
