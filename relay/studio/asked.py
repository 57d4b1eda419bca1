"""A request that no socket brought: a page of ours asks what its visitor's program would."""

from typing import Any
from urllib.parse import unquote

from relay.proxy.answers import Sent
from relay.proxy.own_headers import KEY_HEADER


def scope_of(
    method: str, path: str, *, query: bytes, key: str | None, address: str
) -> dict[str, Any]:
    """Spell a request as a server would. `path`: quoted."""
    headers = [(b"content-type", b"application/json")]
    if key is not None:
        headers.append((KEY_HEADER.lower().encode(), key.encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "client": (address, 0),
        "server": None,
    }


async def answer_of(app: Any, scope: dict[str, Any], body: bytes) -> Sent:
    """Ask an ASGI application, and read its answer as a whole."""
    status, pieces = 0, []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return Sent(status, b"".join(pieces))
