"""Kling's paths as Litestar routes: the list of what we serve, for people and for OpenAPI.

One handler for each thing that a row of the catalogue offers, on its canonical path: as Kling
documents it, or as the operator added it. Whatever a handler is asked, Kling's surface answers,
which reads the path by itself. In a relay that runs nobody asks them: `front.py` gives requests to
the surface at once, in all the other spellings that the Router takes (`paths.py`) too.
"""

from collections.abc import Iterator

import msgspec
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Endpoint, EndpointKind, Generation
from relay.kling.endpoints import FAMILIES, QUERY_PATHS
from relay.proxy.paths import Operation, Route
from relay.proxy.surface import KlingSurface

OFFER = "offer"
"""Where a handler's `opt` has its offer."""
ID = "{id}"


class Offer(msgspec.Struct, frozen=True):
    """One thing that tenants may ask for."""

    method: str
    path: str
    route: Route
    """As the Router finds it, but for what stands in the path."""
    name: str
    """Unique, and the `route` of the request's line in the log, but for the short query."""


def list_offers(catalogue: Catalogue) -> Iterator[Offer]:
    """List what tenants may ask for: by endpoint, by family, by generation, about the account."""
    for endpoint in catalogue.endpoints:
        yield from _of_endpoint(endpoint)
    taken = {endpoint.path for endpoint in catalogue.endpoints}
    for family in sorted(FAMILIES):
        if not taken & {f"/v1/{family}", f"/{family}"}:
            yield Offer("GET", f"/v1/{family}/{ID}", Route(Operation.QUERY), f"any.{family}.query")
    for generation, path in QUERY_PATHS.items():
        yield _offer("GET", path, Route(Operation.QUERY_MANY, generation=generation))
        yield _offer("POST", path, Route(Operation.LIST_MANY, generation=generation))
    yield _offer("GET", "/account/costs", Route(Operation.COSTS))
    yield _offer("POST", "/account/billing/package", Route(Operation.PACKAGE))
    yield _offer("POST", "/account/billing/balance", Route(Operation.BALANCE))


def _of_endpoint(endpoint: Endpoint) -> Iterator[Offer]:
    operation = Operation.READ if endpoint.kind is EndpointKind.READ else Operation.CREATE
    route = Route(operation, endpoint, generation=endpoint.generation)
    yield _offer(endpoint.method, endpoint.path, route)
    if endpoint.is_listed:
        yield _offer("GET", endpoint.path, Route(Operation.LIST, endpoint))
    if endpoint.kind is EndpointKind.TASK and endpoint.generation is Generation.LEGACY:
        yield _offer("GET", f"{endpoint.path}/{ID}", Route(Operation.QUERY, endpoint))


def _offer(method: str, path: str, route: Route) -> Offer:
    return Offer(method, path, route, route.label)


def kling_routes(catalogue: Catalogue) -> list[HTTPRouteHandler]:
    """Build a handler for each offer; the application provides the surface, as `kling`."""
    return [_handler(offer) for offer in list_offers(catalogue)]


def _handler(offer: Offer) -> HTTPRouteHandler:
    handler = HTTPRouteHandler(
        offer.path.replace("}", ":str}"),
        http_method=offer.method,  # type: ignore[arg-type]  # a literal, says Litestar
        status_code=200,
        operation_id=offer.name,
        opt={OFFER: offer},
    )
    return handler(_hand_over)


async def _hand_over(kling: NamedDependency[KlingSurface]) -> ASGIApp:
    """Answer with what Kling's surface answers."""
    return kling  # type: ignore[return-value]  # Litestar's ASGI types are wider than HTTP
