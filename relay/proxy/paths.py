"""Which endpoint a path means, in all the spellings that clients use (docs/kling-api.md 13).

`/kling` or another prefix in front, no `/v1` or several, from a base URL that already had it,
doubled and trailing slashes: all of them reach the same endpoint. So do 2.0's, whose paths have no
`/v1` at Kling. Ids are percent-decoded after the path is split, so that one may hold a slash.
"""

from collections.abc import Container, Iterable
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from relay.errors import UnknownPath
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Endpoint, EndpointKind, Generation
from relay.kling.endpoints import FAMILIES, QUERY_PATHS
from relay.proxy.right_paths import RightPaths

PREFIX = b"kling"
VERSION = b"v1"
MODEL = b"{model}"
METHODS = ("POST", "GET")
ID_CHARS_MAX = 600
REMEMBERED_MAX = 1000
REMEMBERED_BYTES_MAX = 200
"""Spellings of paths that are kept, and the longest; none of them holds an id or a model."""


class Operation(StrEnum):
    """What is asked."""

    CREATE = "create"
    """Make a task, or call a synchronous endpoint."""
    READ = "read"
    """Get what all tenants share."""
    QUERY = "query"
    """One task."""
    LIST = "list"
    """A page of an endpoint's tasks."""
    QUERY_MANY = "query_many"
    """Tasks of a generation by their ids."""
    LIST_MANY = "list_many"
    """Tasks of a generation, by cursor."""
    COSTS = "account.costs"
    PACKAGE = "account.package"
    BALANCE = "account.balance"
    """The tenant's account, from our books."""


class Route(msgspec.Struct, frozen=True):
    """Where a request goes."""

    operation: Operation
    endpoint: Endpoint | None = None
    """None where it is about any kind of task."""
    key: str = ""
    """Of a query: Kling's id or the tenant's external id."""
    model: str | None = None
    """Of a 2.0 create, as it stands in the path."""
    generation: Generation = Generation.LEGACY

    @property
    def is_short_query(self) -> bool:
        """Tell `GET /v1/{family}/{id}`, which finds a task of any endpoint."""
        return self.operation is Operation.QUERY and self.endpoint is None

    @property
    def label(self) -> str:
        """Name it for the log: no id in it."""
        if self.endpoint is not None:
            return f"{self.endpoint.name}.{self.operation.value}"
        if self.generation is Generation.LEGACY:
            return self.operation.value.replace("query", "any.query")
        return f"{self.generation.value}.{self.operation.value}"


_FIXED = {
    ("GET", (b"account", b"costs")): Route(Operation.COSTS),
    ("POST", (b"account", b"billing", b"package")): Route(Operation.PACKAGE),
    ("POST", (b"account", b"billing", b"balance")): Route(Operation.BALANCE),
}
for _generation, _path in QUERY_PATHS.items():
    _segments = (_path.strip("/").encode(),)
    _FIXED["GET", _segments] = Route(Operation.QUERY_MANY, generation=_generation)
    _FIXED["POST", _segments] = Route(Operation.LIST_MANY, generation=_generation)

_FAMILIES = frozenset(family.encode() for family in FAMILIES)


class Router:
    """Finds routes in one catalogue, and remembers those that hold nothing of the tenant's."""

    def __init__(self, catalogue: Catalogue, prefixes: Iterable[str] = ()) -> None:
        """`prefixes`: what may stand in front of Kling's paths beside `/kling`."""
        self._prefixes = frozenset([PREFIX, *(prefix.encode() for prefix in prefixes)])
        self._by_segments: dict[tuple[bytes, ...], Endpoint] = {}
        self._by_operation: dict[tuple[bytes, ...], Endpoint] = {}
        for endpoint in catalogue.endpoints:
            segments = tuple(endpoint.path.removeprefix("/v1/").strip("/").encode().split(b"/"))
            if segments[-1] == MODEL:
                self._by_operation[segments[:-1]] = endpoint
            else:
                self._by_segments[segments] = endpoint
        paths = (*self._by_segments, *(path for _, path in _FIXED))
        self._last_words = frozenset(path[-1] for path in paths)
        fixed = {"/" + b"/".join(path).decode() for _, path in _FIXED}
        self._right = RightPaths((*fixed, *(endpoint.path for endpoint in catalogue.endpoints)))
        self._whole: dict[tuple[str, bytes], Route] = {}
        self._queries: dict[bytes, Route] = {}
        """By the part of a query's path in front of the id."""

    def find(self, method: str, raw_path: bytes) -> Route:
        """Read a method and an undecoded path.

        Raises:
            UnknownPath: nothing that the catalogue has. It names what is near.
        """
        known = self._whole.get((method, raw_path))
        if known is not None:
            return known
        parent, _, last = raw_path.rpartition(b"/")
        # A word of the catalogue's may be no id there, and behind a last slash stands nothing.
        may_be_id = method == "GET" and bool(last) and last not in self._last_words
        if may_be_id:
            known = self._queries.get(parent)
            if known is not None:
                return Route(Operation.QUERY, known.endpoint, key=_text(last))
        route = self._read(method, raw_path)
        if not route.key and route.model is None:
            _remember(self._whole, (method, raw_path), route, size=len(raw_path))
        elif may_be_id and route.key:
            _remember(
                self._queries, parent, Route(Operation.QUERY, route.endpoint), size=len(parent)
            )
        return route

    def refuse_misspelt(self, raw_path: bytes) -> None:
        """Raise UnknownPath if what the short query took for an id is a path that circulates.

        To be asked once no task has that id: a tenant may name one so.
        """
        right = self._right.instead_of(_split(raw_path, self._prefixes))
        if right:
            raise UnknownPath("GET", shown_path(raw_path), f"use {right}")

    def _read(self, method: str, raw_path: bytes) -> Route:
        segments = _split(raw_path, self._prefixes)
        route = self._find(method, tuple(segments))
        if route is None:
            raise UnknownPath(method, shown_path(raw_path), self._advise(method, segments))
        return route

    def _advise(self, method: str, segments: list[bytes]) -> str:
        """Say what would have been right: another method, or another path."""
        routes = {other: self._find(other, tuple(segments)) for other in METHODS}
        # Nearly every path of two words can be the short query of some id.
        taken = [other for other, route in routes.items() if route and not route.is_short_query]
        if taken and method not in taken:
            return f"which takes {' and '.join(taken)}"
        right = self._right.instead_of(segments)
        return f"use {right}" if right else ""

    def _find(self, method: str, segments: tuple[bytes, ...]) -> Route | None:
        fixed = _FIXED.get((method, segments))
        if fixed is not None:
            return fixed
        endpoint = self._by_segments.get(segments)
        if endpoint is not None:
            return _of_endpoint(method, endpoint)
        *parent, last = segments or (b"",)
        operation = self._by_operation.get(tuple(parent))
        if operation is not None and method == operation.method:
            return Route(
                Operation.CREATE, operation, model=_text(last), generation=operation.generation
            )
        return self._query(method, tuple(parent), last)

    def _query(self, method: str, parent: tuple[bytes, ...], last: bytes) -> Route | None:
        if method != "GET":
            return None
        endpoint = self._by_segments.get(parent)
        if endpoint is not None:
            has_tasks = (
                endpoint.kind is EndpointKind.TASK and endpoint.generation is Generation.LEGACY
            )
            return Route(Operation.QUERY, endpoint, key=_text(last)) if has_tasks else None
        if len(parent) == 1 and parent[0] in _FAMILIES:
            return Route(Operation.QUERY, key=_text(last))
        return None


def _split(raw_path: bytes, prefixes: Container[bytes]) -> list[bytes]:
    """Split a path, without what a base URL may have put in front."""
    segments = [segment for segment in raw_path.split(b"/") if segment]
    if segments and segments[0] in prefixes:
        del segments[0]
    while segments[:1] == [VERSION]:
        del segments[0]
    return segments


def _remember(known: dict[Any, Route], key: object, route: Route, *, size: int) -> None:
    if size > REMEMBERED_BYTES_MAX:
        return
    if len(known) >= REMEMBERED_MAX:
        known.clear()
    known[key] = route


def shown_path(raw_path: bytes) -> str:
    """Spell a path for a message: as it came, and not too much of it."""
    shown = raw_path.decode(errors="replace")
    return shown if len(shown) < 200 else shown[:200] + "…"  # noqa: PLR2004


def _of_endpoint(method: str, endpoint: Endpoint) -> Route | None:
    if method == endpoint.method:
        operation = Operation.READ if endpoint.kind is EndpointKind.READ else Operation.CREATE
        return Route(operation, endpoint, generation=endpoint.generation)
    if method == "GET" and endpoint.is_listed:
        return Route(Operation.LIST, endpoint)
    return None


def _text(segment: bytes) -> str:
    """Decode an id or a model; one that cannot be one finds nothing, whatever it is."""
    text = unquote_to_bytes(segment).decode(errors="replace").replace("\x00", "\ufffd")
    return text[:ID_CHARS_MAX]
