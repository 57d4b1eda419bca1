"""Where Kling's callbacks come in. The path is a credential: it is never logged."""

from typing import Any

import msgspec
import structlog
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.callbacks.receive import BODY_BYTES_MAX, CallbackReceiver, Received
from relay.tasks.callback_path import PREFIX

log = structlog.get_logger()

_CODES = {200: (0, "SUCCEED"), 400: (1200, "Invalid body"), 401: (1000, "Authentication failed")}


@post(
    [f"{PREFIX}/{{token:str}}", f"/kling{PREFIX}/{{token:str}}"],
    request_max_body_size=BODY_BYTES_MAX,
    include_in_schema=False,
)
async def receive_callback(
    token: FromPath[str],
    request: Request[Any, Any, Any],
    receiver: NamedDependency[CallbackReceiver],
) -> Response[bytes]:
    """Take a callback on a path that we injected."""
    return _answer(await receiver.receive_on_path(token, await request.body()))


@post([PREFIX, f"/kling{PREFIX}"], request_max_body_size=BODY_BYTES_MAX, include_in_schema=False)
async def receive_signed_callback(
    request: Request[Any, Any, Any], receiver: NamedDependency[CallbackReceiver]
) -> Response[bytes]:
    """Take a callback on the bare path, signed by Kling for an account's webhook secret."""
    return _answer(await receiver.receive_signed(dict(request.headers), await request.body()))


def _answer(received: Received) -> Response[bytes]:
    level = log.info if received.http_status == 200 else log.warning  # noqa: PLR2004
    level("callback.received", status=received.http_status, outcome=received.reason)
    code, message = _CODES[received.http_status]
    return Response(
        content=msgspec.json.encode({"code": code, "message": message}),
        status_code=received.http_status,
        media_type="application/json",
    )
