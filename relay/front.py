"""Which application answers which path: this table, and nothing else decides it.

    /health/…                     pages      our own pages, answered by Litestar
    …/internal/callback[/…]       callbacks  what Kling tells us about one task
    /api/assets[/{id}]            uploads    a file that a tenant sends, as it comes; and its others
    /api/kling/…, /api/v1/…       studio     a tenant with its bearer, in words that are not Kling's
    /relay[/…]                    own        what a tenant asks of the relay itself
    /api/usage/token, …           own        what clients of new-api ask about their money
    /v1/videos/task_…/content     content    the bytes of a video, for clients of new-api
    …/assets/{a uuid}.{suffix}    assets     a file that is kept, by a link of ours
    /portal[/…]                   portal     a tenant in its browser, where it is switched on
    every other path              kling      Kling's surface, as its one Router finds it

A path is read as the client spelt it, undecoded and without its query. The rows are asked in their
order: a callback's path may have anything before it, `/relay` too.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from relay.assets.links import PATH as ASSET
from relay.new_api.unified import PREFIX as TASK
from relay.proxy.new_api_usage import NEW_API
from relay.tasks.callback_path import PREFIX

Answering = TypeVar("Answering")


class Application(StrEnum):
    """Who answers a request."""

    PAGES = "pages"
    """Our own pages, by Litestar and all that it brings: layers, streams, errors of its own."""
    CALLBACKS = "callbacks"
    """Kling, about one task. The path is the credential."""
    OWN = "own"
    """A tenant with its bearer, about the relay itself (`proxy/own_surface.py`)."""
    CONTENT = "content"
    """A tenant with its bearer, about the file of a task: as it comes, piece by piece."""
    UPLOADS = "uploads"
    """A tenant with its bearer, about its files: what it sends is taken as it comes."""
    STUDIO = "studio"
    """A tenant with its bearer, on friendlier paths, where they are switched on (`studio/`)."""
    ASSETS = "assets"
    """Whoever has a link to a kept file: as it is read, piece by piece."""
    PORTAL = "portal"
    """A tenant with a session, in its browser (`relay/portal`)."""
    KLING = "kling"
    """A tenant with its bearer, in Kling's words: every path that nobody else answers."""


class Row(NamedTuple):
    """One line of the table."""

    application: Application
    root: str
    """What all its paths hold behind a slash, and none of Kling's does."""
    is_meant: Callable[[bytes], bool]


def _is_below_health(raw_path: bytes) -> bool:
    return raw_path.startswith(b"/health/")


def _is_callback(raw_path: bytes) -> bool:
    """Find the prefix anywhere: a `RELAY_PUBLIC_URL` may have a path, and slashes be doubled."""
    path = b"/" + b"/".join(filter(None, raw_path.split(b"/")))
    _, found, rest = path.partition(PREFIX.encode())
    return bool(found) and rest[:1] in (b"", b"/")


def _is_below_relay(raw_path: bytes) -> bool:
    return raw_path.lstrip(b"/").partition(b"/")[0] == b"relay"


def _is_of_new_api(raw_path: bytes) -> bool:
    """Find what clients of new-api ask about money, below `/` and `/v1`."""
    path = b"/".join(filter(None, raw_path.split(b"/")))
    return path.removeprefix(b"v1/") in NEW_API


def _is_of_uploads(raw_path: bytes) -> bool:
    """Find what a tenant sends to be kept, and asks of it."""
    match [part for part in raw_path.split(b"/") if part]:
        case [b"api", b"assets", *rest]:
            return len(rest) <= 1
        case _:
            return False


def _is_of_studio(raw_path: bytes) -> bool:
    """Find the friendly paths."""
    match [part for part in raw_path.split(b"/") if part]:
        case [b"api", b"kling" | b"v1", _, *_]:
            return True
        case _:
            return False


def _is_of_content(raw_path: bytes) -> bool:
    """Find new-api's path for the bytes of a video, whose ids tell it from any of Kling's."""
    match [part for part in raw_path.split(b"/") if part]:
        case [b"v1", b"videos", key, b"content"]:
            return key.startswith(TASK.encode())
        case _:
            return False


def _is_of_assets(raw_path: bytes) -> bool:
    """Find our links, whose ids no path of Kling's has; a base URL may have a path."""
    return ASSET.search(raw_path) is not None


def _is_below_portal(raw_path: bytes) -> bool:
    return raw_path == b"/portal" or raw_path.startswith(b"/portal/")


TABLE = (
    Row(Application.PAGES, "health", _is_below_health),
    Row(Application.CALLBACKS, "internal", _is_callback),
    Row(Application.OWN, "relay", _is_below_relay),
    Row(Application.UPLOADS, "api", _is_of_uploads),
    Row(Application.STUDIO, "api", _is_of_studio),
    Row(Application.OWN, "api", _is_of_new_api),
    Row(Application.OWN, "dashboard", _is_of_new_api),
    Row(Application.CONTENT, "content", _is_of_content),
    Row(Application.ASSETS, "assets", _is_of_assets),
    Row(Application.PORTAL, "portal", _is_below_portal),
)
OTHERS = Application.KLING

STREAMING = (
    *(Application.PAGES, Application.CONTENT, Application.ASSETS, Application.PORTAL),
    Application.STUDIO,
)

_find_root = re.compile(b"/(?:%b)" % b"|".join(row.root.encode() for row in TABLE)).search
"""Tells nearly every path of Kling's from all others at once, in a sixth of a microsecond."""


class Front(Generic[Answering]):
    """The table with what answers in it."""

    def __init__(self, applications: Mapping[Application, Answering]) -> None:
        self._rows = [(row.is_meant, applications[row.application]) for row in TABLE]
        self._others = applications[OTHERS]

    def resolve(self, raw_path: bytes) -> Answering:
        """Find who answers a path."""
        if _find_root(raw_path) is not None:
            for is_meant, application in self._rows:
                if is_meant(raw_path):
                    return application
        return self._others


_NAMES = Front({application: application for application in Application})


def is_socket(raw_path: bytes) -> bool:
    """Tell whether a path may be opened as a WebSocket: one of the studio's."""
    return [part for part in raw_path.split(b"/") if part] == [b"api", b"kling", b"ws"]


def is_page(raw_path: bytes) -> bool:
    """Tell whether an answer may come in many pieces: those of all other surfaces come in one."""
    return _NAMES.resolve(raw_path) in STREAMING
