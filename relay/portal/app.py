"""The portal: its pages, and the gate before them."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide

from relay.database.engine import Sessions
from relay.html.assets import assets_below
from relay.html.gate import check_form
from relay.html.site import Site
from relay.kling.catalogue import Catalogue
from relay.portal.entry import OF_ADDRESS_MAX, WINDOW_S, Door
from relay.portal.gate import ROOT, TEMPLATES, PortalGate
from relay.portal.home import Home
from relay.portal.page import page_of
from relay.portal.problems import show_failure
from relay.proxy.own_surface import OwnSurface
from relay.proxy.surface import KlingSurface
from relay.settings import Settings, SettingsError
from relay.stopping import Stopping
from relay.tenants.authenticate import Authenticator
from relay.tries import Tries

FORM_BYTES_MAX = 256 * 1024
LOGO_BYTES_MAX = 256 * 1024
LOGO_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
PAGES = [Door, Home]


class Logo(msgspec.Struct, frozen=True):
    content: bytes
    content_type: str


class Portal:
    """The pages of one relay, for as long as it runs; an ASGI application."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        *,
        authenticator: Authenticator,
        own: OwnSurface,
        kling: KlingSurface,
        catalogue: Catalogue,
        stopping: Stopping,
    ) -> None:
        self.settings = settings
        self.sessions = sessions
        self.authenticator = authenticator
        self.own, self.kling = own, kling
        self.catalogue = catalogue
        self.stopping = stopping
        self.site = Site(ROOT, settings.portal_name, TEMPLATES)
        self.logo = read_logo(settings.portal_logo)
        self.tries = Tries(OF_ADDRESS_MAX, WINDOW_S)
        self._gate = PortalGate(
            portal_app(), self.site, sessions=sessions, authenticator=authenticator
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, of whose relay it is."""
        scope["portal"] = self
        await self._gate(scope, receive, send)


@cache
def portal_app() -> Litestar:
    """Build the pages; whose relay it is, `Portal` says of each request."""
    return Litestar(
        [assets_below(f"{ROOT}/assets"), *PAGES],
        dependencies={"page": Provide(page_of, sync_to_thread=False)},
        before_request=check_form,
        exception_handlers={Exception: show_failure},
        request_max_body_size=FORM_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )


def read_logo(path: str | None) -> Logo | None:
    """Read the file that `RELAY_PORTAL_LOGO` names.

    Raises:
        SettingsError: it cannot be read, is no picture by its name, or too large.
    """
    if path is None:
        return None
    file = Path(path)
    content_type = LOGO_TYPES.get(file.suffix.lower())
    if content_type is None:
        raise SettingsError(f"RELAY_PORTAL_LOGO is to end in one of {', '.join(LOGO_TYPES)}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"RELAY_PORTAL_LOGO cannot be read: {error}") from error
    if len(content) > LOGO_BYTES_MAX:
        raise SettingsError(f"RELAY_PORTAL_LOGO has more than {LOGO_BYTES_MAX // 1024} KiB")
    return Logo(content, content_type)
