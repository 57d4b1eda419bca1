"""Kling's error codes as this relay uses them, and the replies that they stand in."""

from http import HTTPStatus
from typing import Any

from relay.kling.codes import Code

Schema = dict[str, Any]

MEANINGS = {
    Code.AUTH_FAILED: "Your account here is switched off.",
    Code.AUTH_EMPTY: "No `Authorization` header.",
    Code.AUTH_INVALID: "An unknown key, or a signature that does not fit.",
    Code.AUTH_NOT_YET_VALID: "The JWT is not valid yet (`nbf`).",
    Code.AUTH_EXPIRED: "The JWT has expired (`exp`).",
    Code.ACCOUNT_ABNORMAL: "Kling's word for an account that is not in order; not sent here.",
    Code.ACCOUNT_IN_ARREARS: "Kling's word for an account in arrears; not sent here.",
    Code.RESOURCE_PACK_USED_UP: "Your quota does not cover this task. Not a reason to retry.",
    Code.NO_PERMISSION: "Kling's word for a model that an account may not use; not sent here.",
    Code.INVALID_REQUEST: "The body is no JSON object, is compressed, or is too large; or what was"
    " answered proves nothing, and the message says so: the task may exist.",
    Code.INVALID_PARAMETER: "One field is wrong, and the message names it; or `Task not found`; or"
    " an id that you do not have; or an `external_task_id` that you used before, or an"
    " `Idempotency-Key` that you used for another create.",
    Code.INVALID_METHOD: "No such path or method.",
    Code.NO_SUCH_RESOURCE: "This model, or this combination, is not sold here, or not Kling's.",
    Code.PLATFORM_POLICY: "Kling's platform policy refuses it.",
    Code.CONTENT_POLICY: "Kling's content policy refuses it.",
    Code.RATE_LIMITED: "Too fast: wait a second, then longer each time.",
    Code.CONCURRENCY_LIMITED: "Too many tasks at a time: wait until one ends.",
    Code.IP_NOT_ALLOWED: "Kling's word for an address it does not allow; not sent here.",
    Code.INTERNAL_ERROR: "An error inside. After a create, as with 5002.",
    Code.UNAVAILABLE: "Nothing can take it now: retry with growing pauses.",
    Code.INTERNAL_TIMEOUT: "Sent, and no answer in time: the task may exist. Send the same create"
    " again, with its `Idempotency-Key` if it had one, or ask for its `external_task_id`.",
}
"""What each means to a tenant. "Not sent here": what Kling says of the reseller's account, the
tenant never sees (promise T3)."""


def error_statuses() -> list[int]:
    """List the HTTP statuses that errors come with."""
    return sorted({code.http_status for code in MEANINGS})


def component_name(status: int) -> str:
    """Name what the document keeps for all errors of one status."""
    return HTTPStatus(status).phrase.title().replace(" ", "")


def error_replies() -> dict[str, Schema]:
    """Describe the errors of each status: one envelope, and the codes that it may hold."""
    return {component_name(status): _reply(status) for status in error_statuses()}


def _reply(status: int) -> Schema:
    codes = [code for code in MEANINGS if code.http_status == status]
    words = "\n".join(f"- `{code.value}` {MEANINGS[code]}" for code in codes)
    named: Schema = {"properties": {"code": {"enum": [code.value for code in codes]}}}
    schema: Schema = {"allOf": [{"$ref": "#/components/schemas/Error"}, named]}
    return {
        "description": words,
        "headers": {"x-request-id": {"$ref": "#/components/headers/x-request-id"}},
        "content": {"application/json": {"schema": schema}},
    }


ERROR: Schema = {
    "type": "object",
    "description": "Decide by `code`: a status stands for several.",
    "required": ["code", "message", "request_id"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
