"""The document: every route that Litestar knows of Kling's surface, described by the catalogue."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from litestar.routes import BaseRoute, HTTPRoute

from relay.kling.endpoint import Endpoint, EndpointKind, Generation
from relay.proxy.openapi import unified
from relay.proxy.openapi.errors import ERROR, error_replies
from relay.proxy.openapi.replies import HEADERS, SCHEMAS, replies
from relay.proxy.openapi.requests import PARAMETERS, body, parameters
from relay.proxy.paths import Operation, Route
from relay.proxy.routes import OFFER, Offer

ABOUT = """\
Kling's API as this relay serves it. Keys come from your provider; everything else is Kling's: the
same paths, bodies, statuses and error codes.

**Paths** stand here in one form, as Kling documents them, and that is the form to use. `/kling` in
front of any of them, a `/v1` that is left out or comes twice, and doubled or trailing slashes
reach the same.

**Fields** are those that the relay reads: what prices a task, what names things of yours, where to
tell you of it. All others pass to Kling as they are; an absent field, `null` and `""` are the same.

**Retries** of a create are known by its `Idempotency-Key`, or by its bytes where nobody awaited the
first one's answer any more: one task, one charge.

**Charges** and quota, in replies and under `/account`, are yours with your provider.
"""
TAGS = {
    Generation.LEGACY.value: "`/v1/…`: the model stands in the body as `model_name`. Endpoints that"
    " your provider added are of this kind.",
    Generation.NEW.value: "The model stands in the path; `settings` and `options` in the body.",
    Generation.SOLUTIONS.value: "`/solutions/…`, in the words of 2.0.",
    "account": "Your quota and your charges.",
}
BEARER = (
    "Your API key (`sk-…`), or a JWT that is signed as Kling's SDKs sign it: HS256 by your secret"
    " key, with `iss` (your access key), `exp` and `nbf`."
)
SUMMARIES = {
    Operation.QUERY: "Get a task of any kind",
    Operation.QUERY_MANY: "Get tasks by their ids",
    Operation.LIST_MANY: "List tasks",
    Operation.COSTS: "Your quota, as a resource pack",
    Operation.PACKAGE: "Your charges, in units",
    Operation.BALANCE: "Your charges, in currency",
}
SUMMARIES_OF_ENDPOINTS = {
    Operation.CREATE: "Create a task",
    Operation.READ: "Read what Kling offers",
    Operation.QUERY: "Get a task",
    Operation.LIST: "List what you made",
}
ACCOUNTS = frozenset({Operation.COSTS, Operation.PACKAGE, Operation.BALANCE})


class KlingDocument:
    """The document of an application's routes."""

    def __init__(
        self, routes: Callable[[], Iterable[BaseRoute]], *, has_unified: bool = False
    ) -> None:
        """Take the routes, and whether new-api's paths are served beside them."""
        self._routes = routes
        self._has_unified = has_unified

    @cached_property
    def content(self) -> bytes:
        """JSON, as it is served.

        Made with the routes when it is first asked for: ask in a thread, nobody else is to wait.
        """
        described = describe(offers_of(self._routes()))
        if self._has_unified:
            described["tags"].append({"name": unified.TAG, "description": unified.ABOUT})
            described["paths"] |= unified.unified_paths()
            described["components"]["schemas"] |= unified.SCHEMAS
        return msgspec.json.encode(described)


def offers_of(routes: Iterable[BaseRoute]) -> Iterator[Offer]:
    """List what Litestar's routes offer of Kling's surface, in their order."""
    for route in routes:
        if isinstance(route, HTTPRoute):
            # POST before GET: a task is made before it is asked for. Litestar keeps no order.
            for _, (handler, _) in sorted(route.route_handler_map.items(), reverse=True):
                if OFFER in handler.opt:
                    yield handler.opt[OFFER]


def describe(offers: Iterable[Offer]) -> dict[str, Any]:
    """Build an OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for offer in offers:
        paths.setdefault(offer.path, {})[offer.method.lower()] = _operation(offer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kling", "version": _version(), "description": ABOUT},
        "servers": [{"url": "/", "description": "The base URL that you were given."}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": BEARER}
            },
            "schemas": {**SCHEMAS, "Error": ERROR},
            "parameters": PARAMETERS,
            "responses": error_replies(),
            "headers": HEADERS,
        },
    }


def _operation(offer: Offer) -> dict[str, Any]:
    route = offer.route
    described: dict[str, Any] = {
        "operationId": offer.name,
        "summary": _summary(route),
        "tags": ["account" if route.operation in ACCOUNTS else route.generation.value],
        "responses": replies(route),
    }
    if words := _words(route):
        described["description"] = words
    if found := parameters(offer.path, route):
        described["parameters"] = found
    schema = body(route)
    if schema is not None:
        described["requestBody"] = {
            "required": route.operation is Operation.CREATE,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _summary(route: Route) -> str:
    if route.endpoint is None:
        return SUMMARIES[route.operation]
    if route.endpoint.kind is EndpointKind.CALL and route.operation is Operation.CREATE:
        return f"Call {route.endpoint.name}"
    return f"{SUMMARIES_OF_ENDPOINTS[route.operation]}: {route.endpoint.name.removeprefix('2.0-')}"


def _words(route: Route) -> str:
    if route.operation is Operation.QUERY and route.endpoint is None:
        return "The short form, which Kling itself does not have."
    return _about_endpoint(route.endpoint) if route.operation is Operation.CREATE else ""


def _about_endpoint(endpoint: Endpoint | None) -> str:
    assert endpoint is not None, "a create belongs to one endpoint"
    words = []
    if endpoint.kind is EndpointKind.CALL:
        words.append("The reply is the result.")
    if endpoint.is_free:
        words.append("Costs nothing.")
    return " ".join(words)


def _version() -> str:
    try:
        return version("kling-relay")
    except PackageNotFoundError:  # run from its source
        return "0"
