"""Pages of the portal that are told when what they show is another, for as long as one looks on."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Response
from litestar.response import ServerSentEvent
from litestar.status_codes import HTTP_204_NO_CONTENT

from relay.pages.streams import until_stopping
from relay.portal.page import Page

DIGEST_CHARS = 16


def follow(page: Page, look: Callable[[], Awaitable[object]], *, seen: str = "") -> Response[Any]:
    """Say that a look finds another thing than before, or 204 where a tenant has no room for more.

    `seen`: what a look found as the page was made, else what moves between a page and its stream
    would never be told.
    """
    tenant_id, streams = page.visitor.caller.tenant_id, page.portal.streams
    if not streams.has_room(tenant_id):
        # By which a browser knows not to ask again.
        return Response(None, status_code=HTTP_204_NO_CONTENT)
    shown = [seen] if seen else []

    async def look_anew() -> object:
        return shown.pop() if shown else await look()

    events = streams.changes(tenant_id, look_anew, page.is_still_in)
    return ServerSentEvent(until_stopping(events, page.portal.stopping))


def digest(lasting: dict[str, Any]) -> str:
    """Tell one state of a thing from another."""
    return sha256(msgspec.json.encode(lasting)).hexdigest()[:DIGEST_CHARS]
