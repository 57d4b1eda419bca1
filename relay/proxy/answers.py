"""Answers in Kling's envelope, and how they are sent."""

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from relay.errors import RelayError

if TYPE_CHECKING:
    from litestar.types import Send

JSON = b"application/json"


class Document(NamedTuple):
    """A file that is an answer."""

    content: bytes
    content_type: bytes


class Sent(msgspec.Struct):
    """One answer to a tenant."""

    status: int
    body: bytes
    content_type: bytes = JSON
    retry_after: str = ""
    quote: str = ""
    """The quoted price, for tenants that asked to see it."""
    location: str = ""
    """Where what was asked for is, of a status that says so."""


def answer_error(error: RelayError, request_id: str) -> Sent:
    """Spell a refusal of ours as Kling would (docs/kling-api.md 5.6): no `data`."""
    return Sent(
        error.http_status,
        msgspec.json.encode(
            {"code": error.code, "message": error.message, "request_id": request_id}
        ),
        retry_after=error.retry_after,
    )


def answer_data(data: bytes, request_id: str) -> Sent:
    """Put a task object or a list of them into a success's envelope (docs/kling-api.md 5.1)."""
    return Sent(
        200,
        b'{"code":0,"message":"SUCCEED","request_id":"%b","data":%b}' % (request_id.encode(), data),
    )


async def send_answer(send: "Send", answer: Sent, request_id: str) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id.encode()),
    ]
    if answer.retry_after:
        headers.append((b"retry-after", answer.retry_after.encode("latin-1", "replace")))
    if answer.location:
        headers.append((b"location", answer.location.encode("ascii", "replace")))
    if answer.quote:
        headers.append((b"x-relay-quote", answer.quote.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
