"""Which endpoint a path means, in all the spellings that clients use (kling-api.md section 13).

`/kling` in front, no `/v1`, a second `/v1` from a base URL that already had it, doubled and
trailing slashes: all of them reach the same endpoint. Ids are percent-decoded after the path is
split, so that an external id may hold a slash.
"""

from enum import StrEnum
from urllib.parse import unquote_to_bytes

import msgspec

from relay.errors import UnknownPath
from relay.kling.endpoints import ENDPOINTS, FAMILIES, Endpoint

PREFIX = b"kling"
VERSION = b"v1"
ID_CHARS_MAX = 600


class Operation(StrEnum):
    """What is asked of an endpoint."""

    CREATE = "create"
    QUERY = "query"
    LIST = "list"


class Route(msgspec.Struct, frozen=True):
    """Where a request goes."""

    operation: Operation
    endpoint: Endpoint | None
    """None for the short query, which finds any kind of task."""
    key: str = ""
    """Of a query: Kling's id or the tenant's external id."""

    @property
    def label(self) -> str:
        """For the log: no id in it."""
        return f"{self.endpoint.name if self.endpoint else 'any'}.{self.operation.value}"


_BY_SEGMENTS = {
    tuple(endpoint.path.removeprefix("/v1").strip("/").encode().split(b"/")): endpoint
    for endpoint in ENDPOINTS
}
_FAMILIES = frozenset(family.encode() for family in FAMILIES)


def find_route(method: str, raw_path: bytes) -> Route:
    """Read a method and an undecoded path.

    Raises:
        UnknownPath: nothing that the catalogue has.
    """
    segments = [segment for segment in raw_path.split(b"/") if segment]
    if segments[:1] == [PREFIX]:
        del segments[0]
    while segments[:1] == [VERSION]:
        del segments[0]
    route = _find(method, tuple(segments))
    if route is None:
        shown = raw_path.decode(errors="replace")
        raise UnknownPath(method, shown if len(shown) < 200 else shown[:200] + "…")  # noqa: PLR2004
    return route


def _find(method: str, segments: tuple[bytes, ...]) -> Route | None:
    endpoint = _BY_SEGMENTS.get(segments)
    if endpoint is not None:
        if method == "POST":
            return Route(Operation.CREATE, endpoint)
        if method == "GET" and endpoint.is_listed:
            return Route(Operation.LIST, endpoint)
        return None
    if method != "GET" or not segments:
        return None
    *parent, last = segments
    endpoint = _BY_SEGMENTS.get(tuple(parent))
    if endpoint is None and (len(parent) != 1 or parent[0] not in _FAMILIES):
        return None
    return Route(Operation.QUERY, endpoint, key=_key(last))


def _key(segment: bytes) -> str:
    """Decode an id; one that cannot be an id finds no task, whatever it is."""
    text = unquote_to_bytes(segment).decode(errors="replace").replace("\x00", "\ufffd")
    return text[:ID_CHARS_MAX]
