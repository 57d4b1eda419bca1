"""What a request's head may be, and how one that is more is refused, or what is no HTTP at all."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from relay.errors import BadRequest
from relay.proxy.answers import answer_error
from relay.request_ids import new_request_id
from relay.server.exchange import USUAL, Headers, spell_common

HEAD_BYTES_MAX = 64 * 1024
"""Of a head, and of what stands between or behind the pieces of a body. Far above any credential: a
header of 60 KB is still answered with 401."""
HEADERS_MAX = 200
"""Of a head, and behind a body. Browsers and gateways send some thirty; each takes in memory many
times the four bytes that it may take on the wire."""
INVALID = "Invalid HTTP request"
TOO_LONG = f"The request's head is larger than {HEAD_BYTES_MAX // 1024} kB"
TOO_MANY = f"The request has more than {HEADERS_MAX} headers"


class HeadRefused(ValueError):
    """Raised where the parser calls us; what it raises in turn has it as its context."""


def size_of_head(url: bytes, headers: Headers) -> int:
    """Count the bytes of a head that httptools has taken apart, to within its first line's."""
    return len(url) + sum([len(name) + len(value) + len(b": \r\n") for name, value in headers])


def spell_refusal(fault: str, connection_headers: Headers) -> bytes:
    """Spell 400 in Kling's envelope, as all that we refuse ourselves (promise T3); the last one."""
    request_id = new_request_id()
    answer = answer_error(BadRequest(fault), request_id)
    common = spell_common(tuple(connection_headers))
    head = USUAL % (b"%d" % len(answer.body), request_id.encode())
    return b"%b%b%bconnection: close\r\n\r\n%b" % (
        STATUS_LINE[answer.status],
        common,
        head,
        answer.body,
    )
