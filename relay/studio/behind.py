"""What stands behind the studio's paths."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import msgspec

from relay.assets.links import ResultUrls
from relay.database.engine import Sessions
from relay.kling.catalogue import Catalogue
from relay.proxy.surface import KlingSurface
from relay.runs.opened import RunParts
from relay.runs.templates.read import Templates
from relay.settings import Settings
from relay.stopping import Stopping
from relay.studio.capabilities import Rules
from relay.studio.media import Files
from relay.tasks.quoter import Quoter
from relay.tenants.caller import Caller


class Behind(msgspec.Struct, frozen=True):
    """Of one relay."""

    sessions: Sessions
    runs: RunParts
    files: Files
    kling: KlingSurface
    """What answers on Kling's own paths."""
    urls: ResultUrls
    quoter: Quoter
    catalogue: Catalogue
    settings: Settings
    rules: Rules
    templates: Templates
    stopping: Stopping


class Visit(msgspec.Struct, frozen=True):
    """One request: who asks, whose relay it is, and what the answer is called."""

    caller: Caller
    behind: Behind
    request_id: str
    address: str
    language: str
    again: Callable[[], Awaitable[Caller]]
    """Lets in whoever asks once more, in a request that lasts."""
    closing: ExitStack
    """Closed when the request is over."""
