"""One page of the portal, for one visitor."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from litestar import Request, Response
from litestar.datastructures import State

from relay.html.gate import address_of
from relay.html.page import SitePage, language_of
from relay.moments import moment_of
from relay.money import micros_of
from relay.portal.asking import Asking
from relay.portal.asking_studio import AskingStudio
from relay.portal.behind import Behind
from relay.portal.gate import PortalVisitor
from relay.tenants.scope import Scope

Asked = Request[PortalVisitor | None, Any, State]


class Page(SitePage, frozen=True, kw_only=True):
    """One request, of somebody of a tenant who was let in, or of somebody who is not yet."""

    portal: Behind

    @property
    def visitor(self) -> PortalVisitor:
        visitor: PortalVisitor | None = self.request.scope.get("user")
        assert visitor is not None, "the gate lets nobody else to this page"
        return visitor

    @property
    def asking(self) -> Asking:
        """What this visitor may ask."""
        return Asking(
            *(self.portal.own, self.portal.kling, self.visitor.caller),
            address=address_of(self.request),
            is_reading=bool(self.request.scope.get("is_shown_anew")),
        )

    @property
    def has_studio(self) -> bool:
        """Tell whether there is one here, and the visitor's key may ask it anything."""
        return self.portal.studio is not None and (self.may("call") or self.may("read"))

    @property
    def studio(self) -> AskingStudio:
        """What this visitor may ask of the studio, where it `has_studio`."""
        assert self.portal.studio is not None, "its pages are asked for where there is one"
        return AskingStudio(
            *(self.portal.studio, self.visitor.caller),
            address=address_of(self.request),
            language=self.language,
            is_reading=bool(self.request.scope.get("is_shown_anew")),
        )

    @property
    def origin(self) -> str:
        """Where the tenant's programs find the relay: as is set, else where this page was asked."""
        public_url: str | None = self.portal.settings.public_url
        asked = f"{self.request.scope['scheme']}://{self.request.headers.get('host', '')}"
        return (public_url or asked).rstrip("/")

    @property
    def base_url(self) -> str:
        """What stands in place of Kling's own address."""
        return f"{self.origin}/kling"

    @property
    def has_logo(self) -> bool:
        return self.portal.logo is not None

    def may(self, scope: str) -> bool:
        """Tell whether the visitor's token has a scope: what it may not is not offered."""
        return self.visitor.caller.scope.has(Scope(scope))

    async def key_names(self) -> dict[int, str | None] | None:
        """Say what its tenant's keys are called, to who may know which there are."""
        if not self.may("manage"):
            return None
        return {one["id"]: one["name"] for one in await self.asking.get("/tokens")}

    @property
    def sees_all(self) -> bool:
        """Tell whether it sees what others of its tenant's tokens made and spent."""
        return self.visitor.caller.scope.sees_all

    def at(self, ms: int | None) -> datetime | None:
        """Read a moment as answers spell it."""
        return None if ms is None else moment_of(ms)

    def moment(self, spelt: str) -> datetime:
        """Read a moment as the studio's answers spell it."""
        return datetime.fromisoformat(spelt)

    def micros(self, amount: str | None) -> int | None:
        """Read an amount as answers spell it."""
        return None if amount is None else micros_of(Decimal(amount))

    async def render(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """Answer with a template."""
        return self.compose(template, status=status, **values)


def page_of(request: Asked) -> Page:
    """Say whose page it is, and in which language."""
    scope: Any = request.scope
    portal: Behind = scope["portal"]
    settings = portal.settings
    return Page(
        *(request, portal.site, language_of(request, settings.language)),
        *(settings.zone, settings.timezone, settings.currency),
        portal=portal,
    )
