"""Replies without Kling's envelope: something before Kling answered, such as a gateway.

Of some statuses nothing can have been made, whoever sends them. Those are put into Kling's words
where they enter, so that one set of rules judges both; all others say nothing certain.
"""

import uuid

import msgspec
import structlog

from relay.errors import NoVerdict, TimedOut
from relay.kling.codes import Code
from relay.kling.transport import Reply
from relay.kling.wire import read_envelope

log = structlog.get_logger()

TOO_LARGE = {
    413: "The request body is too large",
    414: "The request path is too long",
    431: "The request headers are too large",
}
"""Refused for what it is: it passes to the tenant, and no other channel is tried."""
TURNED_AWAY = {
    401: Code.AUTH_FAILED,
    403: Code.IP_NOT_ALLOWED,
    407: Code.IP_NOT_ALLOWED,
    429: Code.IP_NOT_ALLOWED,
}
"""Of our credential, address or rate: the reseller's business, and another channel may take it."""
LOGGED_CHARS = 300


def no_verdict(reply: Reply) -> NoVerdict | TimedOut:
    """Say to the tenant what proves nothing, in the class of its status."""
    is_4xx = 400 <= reply.status < 500  # noqa: PLR2004 (HTTP's own numbers)
    return NoVerdict(reply.status) if is_4xx else TimedOut()


def in_envelope(reply: Reply) -> Reply:
    """Put a definite refusal into Kling's envelope; every other reply stays as it is.

    The words are ours: a gateway's page names hosts that are not the tenant's business.
    """
    if reply.status in TOO_LARGE:
        code, message = Code.INVALID_REQUEST, TOO_LARGE[reply.status]
    elif reply.status in TURNED_AWAY:
        code, message = TURNED_AWAY[reply.status], f"HTTP {reply.status} without Kling's envelope"
    else:
        return reply
    if read_envelope(reply) is not None:
        return reply
    said = reply.body[:LOGGED_CHARS].decode(errors="replace")
    log.warning("kling.bare_refusal", http_status=reply.status, said=said)
    body = {"code": code, "message": message, "request_id": str(uuid.uuid4())}
    return msgspec.structs.replace(
        reply, content_type="application/json", body=msgspec.json.encode(body), is_bare=True
    )
