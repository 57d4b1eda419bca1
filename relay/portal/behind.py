"""What stands behind the portal's pages: the surfaces that they ask, and how the reseller looks."""

import asyncio
from pathlib import Path

import msgspec

from relay.database.engine import Sessions
from relay.html.site import Site
from relay.kling.catalogue import Catalogue
from relay.portal.asking_studio import Studio
from relay.portal.gate import ROOT, TEMPLATES
from relay.portal.streams import Streams
from relay.proxy.own_files import OwnFiles
from relay.proxy.own_surface import OwnSurface
from relay.proxy.surface import KlingSurface
from relay.proxy.upload_surface import UploadSurface
from relay.settings import Settings, SettingsError
from relay.tenants.authenticate import Authenticator
from relay.tries import Tries

WINDOW_S = 300.0
OF_ADDRESS_MAX = 20
"""Wrong keys in a window, from one address; then it waits. A key is 256 random bits: this spares
work, no guess could hit."""
LOGO_BYTES_MAX = 256 * 1024
LOGO_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}


class Logo(msgspec.Struct, frozen=True):
    content: bytes
    content_type: str


class Behind(msgspec.Struct, frozen=True):
    """Of one relay, for as long as it runs."""

    settings: Settings
    sessions: Sessions
    authenticator: Authenticator
    own: OwnSurface
    """What `/relay/…` answers."""
    kling: KlingSurface
    files: OwnFiles
    uploads: UploadSurface
    """What `/api/assets` answers."""
    studio: Studio | None
    """What `/api/kling/…` answers; None where it is not switched on."""
    catalogue: Catalogue
    stopping: asyncio.Event
    """Set when the process begins to stop: streams of events end then."""
    site: Site
    logo: Logo | None
    tries: Tries
    streams: Streams


def open_behind(
    settings: Settings,
    sessions: Sessions,
    *,
    authenticator: Authenticator,
    own: OwnSurface,
    kling: KlingSurface,
    files: OwnFiles,
    uploads: UploadSurface,
    studio: Studio | None,
    catalogue: Catalogue,
    stopping: asyncio.Event,
) -> Behind:
    """Put it together.

    Raises:
        SettingsError: the logo is none that can be shown.
    """
    return Behind(
        settings=settings,
        sessions=sessions,
        authenticator=authenticator,
        own=own,
        kling=kling,
        files=files,
        uploads=uploads,
        studio=studio,
        catalogue=catalogue,
        stopping=stopping,
        site=Site(ROOT, settings.portal_name, TEMPLATES),
        logo=read_logo(settings.portal_logo),
        tries=Tries(OF_ADDRESS_MAX, WINDOW_S),
        streams=Streams(),
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
