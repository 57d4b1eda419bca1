"""Files that tenants send to be kept, and what they have: streamed, never whole in memory.

    POST   /api/assets        the file itself as the body, or as one part of multipart/form-data
    GET    /api/assets        newest first, as GET /relay/assets
    GET    /api/assets/{id}
    DELETE /api/assets/{id}

By a tenant's bearer; answers and refusals are in Kling's envelope, as under `/relay`. What was sent
is read by its link alone, which leads to an origin of its own (`asset_surface.py`).
"""

from collections.abc import AsyncIterator
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import structlog
from litestar.types import HTTPScope, Receive
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from relay.assets.reserve import OverLimit
from relay.assets.spool import NotKept
from relay.assets.store import StoreFailed
from relay.assets.uploader import Uploaded, Uploader, UploadsOff
from relay.body_budget import BodyBudget
from relay.counts import Counts, elsewhere
from relay.errors import (
    FilesFull,
    InvalidParameter,
    ScopeTooSmall,
    Unavailable,
    UnknownPath,
    UploadsNotTaken,
)
from relay.logs import RequestLine
from relay.proxy.answers import Sent, answer_data
from relay.proxy.asked import Asked
from relay.proxy.body import declared_length
from relay.proxy.own_assets import OwnAssets
from relay.proxy.paths import shown_path
from relay.proxy.surface import TenantSurface
from relay.proxy.upload_places import UploadPlaces
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

log = structlog.get_logger()

PARTS_MAX = 20
FIELD = "file"


FIRST_BYTES_MAX = 500
"""Of what comes before a file."""


class StrangeForm(Exception):
    """A form that is not what its page made."""


class UploadSurface(TenantSurface):
    """An ASGI application below `/api/assets`."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        uploader: Uploader,
        own: OwnAssets,
        budget: BodyBudget,
        body_limit_bytes: int,
        counts: Counts,
        places: UploadPlaces | None = None,
    ) -> None:
        super().__init__(
            authenticator=authenticator,
            budget=budget,
            body_limit_bytes=body_limit_bytes,
            counts=counts,
        )
        self._uploader = uploader
        self._own = own
        self._places = places or UploadPlaces()

    async def _answer(
        self, caller: Caller, scope: HTTPScope, receive: Receive, line: RequestLine
    ) -> Sent:
        line.route = "assets.own"
        method, raw_path = scope["method"], scope["raw_path"].partition(b"?")[0]
        keys = list(filter(None, raw_path.split(b"/")))[2:]
        is_looked_at = method == "GET"
        scopes = (Scope.CALL, Scope.READ) if is_looked_at else (Scope.CALL,)
        if not any(caller.scope.has(one) for one in scopes):
            raise ScopeTooSmall(caller.scope, " or ".join(sorted(scopes)))
        key = unquote_to_bytes(keys[0]).decode(errors="replace") if keys else ""
        asked = Asked(key, scope["query_string"], b"", line.request_id, line.client)
        match method, len(keys):
            case "POST", 0:
                data = await self._take(caller, scope, receive, asked)
            case "GET", 0:
                data = await self._own.list(caller, asked)
            case "GET", 1:
                data = await self._own.show(caller, asked)
            case "DELETE", 1:
                data = await self._own.delete(caller, asked)
            case _:
                raise UnknownPath(method, shown_path(raw_path))
        return answer_data(msgspec.json.encode(data), line.request_id)

    async def take_form(
        self, caller: Caller, scope: HTTPScope, receive: Receive, *, first: tuple[str, bytes]
    ) -> bool:
        """Keep the file of a page's form, of whoever was let in there.

        `first`: a field that comes before the file, and what stands in it; else it is False, and
        nothing was kept.

        Raises: as below.
        """
        if not caller.scope.has(Scope.CALL):
            raise ScopeTooSmall(caller.scope, Scope.CALL)
        try:
            await self._keep(caller, scope, receive, first)
        except StrangeForm:
            return False
        return True

    async def _take(
        self, caller: Caller, scope: HTTPScope, receive: Receive, asked: Asked
    ) -> dict[str, Any]:
        """Keep what is sent, and show it."""
        kept = await self._keep(caller, scope, receive, None)
        return await self._own.show(caller, msgspec.structs.replace(asked, key=str(kept.public_id)))

    async def _keep(
        self, caller: Caller, scope: HTTPScope, receive: Receive, first: tuple[str, bytes] | None
    ) -> Uploaded:
        """Keep what is sent.

        Raises:
            StrangeForm: it has not what comes first.
            InvalidParameter: it is none of what is taken, or too large.
            FilesFull, UploadsNotTaken, TooManyCalls, TooSlow, Unavailable
        """
        try:
            with elsewhere(), self._places.take(caller.account_id) as place:
                pieces, size = _file_of(scope, place.received(receive), first)
                return await self._uploader.take(caller.tenant_id, pieces, size=size)
        except UploadsOff as error:
            raise UploadsNotTaken from error
        except OverLimit as error:
            raise FilesFull from error
        except NotKept as error:
            raise InvalidParameter(FIELD, str(error)) from error
        except MultipartError as error:
            raise InvalidParameter(FIELD, "is in a form that cannot be read") from error
        except (StoreFailed, OSError) as error:  # of the store, or of the disk on the way to it
            log.error("asset.not_uploaded", reason=str(error))  # noqa: TRY400 (a sentence)
            raise Unavailable from error


def _file_of(
    scope: HTTPScope, pieces: AsyncIterator[bytes], first: tuple[str, bytes] | None
) -> tuple[AsyncIterator[bytes], int | None]:
    """Find the file in a request, and how long it is said to be, if it is."""
    headers = dict(scope["headers"])
    kind, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if kind == "multipart/form-data":
        return _in_form(pieces, options.get("boundary", ""), first), None
    if first is not None:
        raise StrangeForm
    return pieces, declared_length(scope["headers"])


async def _in_form(
    pieces: AsyncIterator[bytes], boundary: str, first: tuple[str, bytes] | None
) -> AsyncIterator[bytes]:
    """Pass on the one file of a form; of its other fields only what is to come first is looked at.

    Raises:
        StrangeForm: that did not, or has something else in it.
        MultipartError: it is no such form, or breaks off.
        NotKept: it has no file, or several.
    """
    is_file = has_file = is_first = False
    said = b""
    if not boundary:
        raise MultipartError("no boundary")
    with PushMultipartParser(boundary, max_segment_count=PARTS_MAX, strict=True) as parser:
        async for piece in pieces:
            for part in parser.parse(piece):
                if isinstance(part, MultipartSegment):
                    is_file = part.name == FIELD or part.filename is not None
                    if is_file and has_file:
                        raise NotKept("must be one file at a time")
                    has_file = has_file or is_file
                    if is_file and first is not None and not compare_digest(said, first[1]):
                        raise StrangeForm
                    is_first = not is_file and first is not None and part.name == first[0]
                elif part and is_file:
                    yield bytes(part)
                elif part and is_first:
                    said = (said + bytes(part))[:FIRST_BYTES_MAX]
    if not has_file:
        raise NotKept("is missing: the form has no file in it")
