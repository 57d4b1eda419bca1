"""Kling's own paths: one ASGI application over the catalogue.

Plain ASGI and outside of Litestar's routing, because a cut connection must stay one: Litestar
turns whatever a handler raises into a reply.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qs, unquote

import httpx
from litestar.types import HTTPScope, Receive, Send

from relay.sandbox import envelopes
from relay.sandbox.catalogue import BY_PATH, Endpoint
from relay.sandbox.credentials import Accounts
from relay.sandbox.errors import Refusal
from relay.sandbox.fields import Fields
from relay.sandbox.ledger import Requests
from relay.sandbox.orders import read_order
from relay.sandbox.settings import Account, SandboxSettings
from relay.sandbox.tasks import Tasks
from relay.sandbox.timeline import Timeline

CLOSE_EXTENSION = "sandbox.close"
"""Key in `scope["extensions"]` of a function that closes the connection, put there by `serve`."""

_JSON = b"application/json; charset=utf-8"
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: all of it, half of the body (`cut`), or nothing (`drop`)."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    ending: Literal["whole", "cut", "drop"] = "whole"


class Surface:
    """Answers every path that is not the sandbox's own."""

    def __init__(
        self, settings: SandboxSettings, tasks: Tasks, timeline: Timeline, requests: Requests
    ) -> None:
        self._accounts = Accounts(settings.accounts)
        self._public_url = settings.public_url
        self._tasks = tasks
        self._timeline = timeline
        self._requests = requests

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Read, keep, answer.

        Raises:
            httpx.RemoteProtocolError: the reply was to be cut and there is no socket to close
                (an ASGI transport): what httpx itself raises when a peer does that.
        """
        body = await _read_body(receive)
        if body is None:
            return  # the caller hung up before the request was complete
        path = _raw_path(scope)
        self._requests.add(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=scope["headers"],
            body=body,
        )
        try:
            reply = await self._answer(scope, path, body)
        except Refusal as refusal:
            reply = Reply(refusal.http_status, envelopes.error(refusal))
        await _send_reply(reply, scope, receive, send)

    async def _answer(self, scope: HTTPScope, path: str, body: bytes) -> Reply:
        headers = dict(scope["headers"])
        account = self._accounts.identify(
            headers.get(b"authorization", b"").decode("latin-1"), now=time.time()
        )
        path = re.sub("/{2,}", "/", path).rstrip("/")
        endpoint = BY_PATH.get(path)
        parent, _, name = path.rpartition("/")
        if scope["method"] == "POST" and endpoint is not None:
            return await self._create(account, endpoint, body, base_url=self._base_url(scope))
        if scope["method"] == "GET" and endpoint is not None:
            return self._list(account, endpoint, scope["query_string"])
        if scope["method"] == "GET" and parent in BY_PATH:
            task = self._tasks.find(account, BY_PATH[parent], unquote(name))
            return Reply(200, envelopes.success(envelopes.queried(task)))
        raise Refusal(1202)

    async def _create(
        self, account: Account, endpoint: Endpoint, body: bytes, *, base_url: str
    ) -> Reply:
        """Check, accept, answer; each in the way the prompt's faults ask for."""
        order = read_order(endpoint, body)
        faults = order.faults
        code, code200 = faults.code("error"), faults.code("code200")
        if code is not None:
            raise Refusal(code)
        if code200 is not None:
            return Reply(200, envelopes.error(Refusal(code200)))
        if "html refused" in faults:
            return Reply(502, _HTML, b"text/html")
        task = self._tasks.accept(account, order, base_url=base_url)
        self._timeline.begin(task)
        reply = envelopes.success(envelopes.created(task))
        await asyncio.sleep(faults.seconds("delay"))
        if "html" in faults:
            return Reply(502, _HTML, b"text/html")
        if "drop" in faults:
            return Reply(200, reply, ending="drop")
        return Reply(200, reply, ending="cut" if "cut" in faults else "whole")

    def _list(self, account: Account, endpoint: Endpoint, query_string: bytes) -> Reply:
        query = {
            name: values[-1] for name, values in parse_qs(query_string.decode("latin-1")).items()
        }
        fields = Fields({**query})
        number = fields.whole("pageNum", range(1, 1001), 1)
        size = fields.whole("pageSize", range(1, 501), 30)
        tasks = self._tasks.page(account, endpoint, number=number, size=size)
        return Reply(200, envelopes.success([envelopes.queried(task) for task in tasks]))

    def _base_url(self, scope: HTTPScope) -> str:
        if self._public_url is not None:
            return self._public_url.rstrip("/")
        host = dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1")
        return f"{scope['scheme']}://{host}"


def _raw_path(scope: HTTPScope) -> str:
    """Read the path still percent-encoded: an external id may hold a slash."""
    return (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")


async def _read_body(receive: Receive) -> bytes | None:
    """Collect a body of any size (section 12: 67 MB are legal); None if the caller hung up."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if message["type"] == "http.request":
            chunks.append(message["body"])
            if not message["more_body"]:
                return b"".join(chunks)


async def _send_reply(reply: Reply, scope: HTTPScope, receive: Receive, send: Send) -> None:
    if reply.ending != "drop":
        length = str(len(reply.body)).encode()
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(b"content-type", reply.content_type), (b"content-length", length)],
            }
        )
    if reply.ending == "whole":
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})
        return
    if reply.ending == "cut":
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
    extensions = cast("dict[str, object]", scope.get("extensions") or {})
    close = extensions.get(CLOSE_EXTENSION)
    if not callable(close):
        raise httpx.RemoteProtocolError("the sandbox cut this connection, as the prompt asked for")
    close()
    while (await receive())["type"] != "http.disconnect":
        pass  # uvicorn would answer 500 for us if we returned while the connection is up
