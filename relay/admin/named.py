"""Names in paths that have a slash: a sub-tenant is `acme/eu`, and stands there as `acme%2Feu`.

A path is decoded before it is routed, so that such a name would be two segments of it. It is told
apart by its raw form: within a segment a slash is another character until a route is found.
"""

from typing import Any
from urllib.parse import unquote

from litestar import Request

SLASH, STAND_IN = "/", "\x1f"
"""No name has a control character."""
ESCAPED = b"%2f"


def keep_slashes(scope: Any) -> None:
    """Keep a path's escaped slashes apart from those between its segments."""
    raw: bytes = scope.get("raw_path") or b""
    if ESCAPED in raw.lower():
        segments = (unquote(one) for one in raw.decode("latin-1").split(SLASH))
        scope["path"] = SLASH.join(one.replace(SLASH, STAND_IN) for one in segments)


def read_slashes(request: Request[Any, Any, Any]) -> None:
    """Give them back to what a route has found in its path."""
    found = request.scope["path_params"]
    for name, value in found.items():
        if isinstance(value, str):
            found[name] = value.replace(STAND_IN, SLASH)
