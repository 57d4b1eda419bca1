"""The OpenAPI document, with what Litestar cannot know of the routes."""

from typing import Any

import msgspec
from litestar import Litestar

from relay.admin.lists import CSV, JSONL
from relay.admin.routes import STREAMS


def spell(app: Litestar) -> bytes:
    """Say what an application serves.

    Adds that bodies take no other fields, and which lists are streamed too. A route is summed up by
    the first sentence of what it says, not by its function's name, and stands beside those of its
    kind.
    """
    schema = app.openapi_schema.to_schema()
    schema["paths"] = dict(sorted(schema["paths"].items(), key=_place))
    components = schema["components"]["schemas"]
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            operation["summary"] = operation["description"].partition(".")[0].partition("\n\n")[0]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
            if name:
                components[name]["additionalProperties"] = False
            if is_streamed(app, path, method):
                content = operation["responses"]["200"]["content"]
                content |= {media: {"schema": {"type": "string"}} for media in (CSV, JSONL)}
    return msgspec.json.encode(schema)


def _place(path: tuple[str, dict[str, Any]]) -> tuple[list[str], str]:
    name, item = path
    return next(operation["tags"] for operation in item.values()), name


def is_streamed(app: Litestar, path: str, method: str) -> bool:
    """Tell whether a route of the document answers as CSV and JSON lines, too."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.opt.get(STREAMS) and method == "get":
                spelt = "".join(
                    f"/{{{part.name}}}" if hasattr(part, "name") else f"/{part}"
                    for part in route.path_components
                )
                if spelt == path:
                    return True
    return False
