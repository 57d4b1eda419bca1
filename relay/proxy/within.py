"""A request to us inside of another one, whose body was read before."""

from collections.abc import Iterable
from typing import Any, cast

from litestar.types import HTTPScope, Receive

from relay.logs import RequestLine
from relay.proxy.body import ReadBody

READ = "relay.read_body"
"""Where a scope of our own has its body."""


def scope_within(
    line: RequestLine,
    path: str,
    *,
    query: bytes,
    body: ReadBody,
    headers: Iterable[tuple[bytes, bytes]],
    extensions: dict[str, Any] | None,
) -> tuple[Any, Receive]:
    """Spell such a request as a server would, and what it receives. `path`: quoted."""
    scope = {
        "type": "http",
        "method": line.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"content-length", b"%d" % len(body.content)), *headers],
        "client": (line.client, 0),
        "extensions": extensions,
        READ: body,
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": body.content, "more_body": False}

    return scope, receive


def read_before(scope: HTTPScope) -> ReadBody | None:
    """Find the body of a request inside of another one; None of a client's own."""
    found: ReadBody | None = cast("Any", scope).get(READ)
    return found
