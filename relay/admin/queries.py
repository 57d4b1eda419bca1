"""What a query may name: a filter that is spelt wrongly would answer more than was asked for."""

from functools import cache
from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from relay.admin.problems import WrongField


def check_query(request: Request[Any, Any, Any]) -> None:
    """Refuse a query with a name that its route does not know.

    Raises:
        WrongField
    """
    given = request.query_params.keys()
    if not given:
        return
    handler = request.route_handler
    assert isinstance(handler, HTTPRouteHandler), "there are no others"
    known = _known(handler, frozenset(request.path_params))
    for name in given:
        if name not in known:
            there = f"there are {', '.join(sorted(known))}" if known else "there is none"
            raise WrongField(name, f"there is no such parameter here; {there}")


@cache
def _known(handler: HTTPRouteHandler, in_path: frozenset[str]) -> frozenset[str]:
    """List what a route takes of a query, its dependencies' too."""
    model = handler.create_kwargs_model(dict.fromkeys(in_path))  # type: ignore[arg-type]  # it reads their names alone
    return frozenset(one.field_alias for one in model.expected_query_params)
