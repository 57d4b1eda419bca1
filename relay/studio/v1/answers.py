"""What `/api/v1` answers: Kling's reply as it came, beside the words that its clients read.

    {"task_id": "…", "message": "success", "raw_data": {…}, "notes": []}
    {"task_id": null, "message": "image: is required", "code": 1201, "request_id": "…",
     "raw_data": null}

The HTTP status of a refusal is the one that Kling sends with its code (docs/kling-api.md 8).
"""

from typing import Any, cast

import msgspec
from litestar import Response
from msgspec import Raw

from relay.errors import RelayError
from relay.kling.body import read_fields
from relay.kling.codes import Code
from relay.kling.wire import Fields, fields_of, text_of, value_of
from relay.proxy.answers import Sent

PREFIX = "/api/v1"
SUCCESS = "success"
OK = 200


class Answer(msgspec.Struct, frozen=True):
    """What is told of a request that went well."""

    task_id: str | None
    """Kling's id; null where what was asked for is answered at once."""
    message: str
    raw_data: dict[str, Any]
    """Kling's reply as the tenant sees it on Kling's own paths."""
    notes: list[str]
    """What of the request was taken, and does nothing."""


class Refused(msgspec.Struct, frozen=True):
    """What is told of one that did not."""

    message: str
    code: int
    request_id: str
    task_id: None = None
    raw_data: dict[str, Any] | None = None
    """Kling's reply, where it was Kling that refused."""


def spell_refusal(error: RelayError, request_id: str) -> Refused:
    """Spell what the relay itself refuses."""
    return Refused(error.message, int(error.code), request_id)


def spell(sent: Sent, request_id: str, notes: list[str]) -> Response[Any]:
    """Spell what Kling's own path answers."""
    envelope = read_fields(sent.body)
    # Its bytes as they are: numbers too long for a client's own are not read and written again.
    reply = cast("dict[str, Any]", Raw(sent.body))
    code = value_of(envelope.get("code", Raw(b"0")))
    headers = {
        name: value
        for name, value in (("retry-after", sent.retry_after), ("x-relay-quote", sent.quote))
        if value
    }
    if sent.status == OK and code == 0:
        task_id = text_of(_data(envelope).get("task_id")) or None
        answer = Answer(task_id, SUCCESS, reply, notes)
        return Response(answer, status_code=OK, headers=headers)
    known = Code(code) if code in set(Code) else Code.INTERNAL_ERROR
    status = known.http_status if sent.status == OK else sent.status
    told = code if isinstance(code, int) and code else int(known)
    refused = Refused(text_of(envelope.get("message")), told, request_id, raw_data=reply)
    return Response(refused, status_code=status, headers=headers)


def _data(envelope: Fields) -> Fields:
    return fields_of(envelope.get("data"))
