"""What we conclude from Kling's reply to a create or a call: accepted, refused, or nothing.

Source: docs/kling-api.md 5, 7 and 8.
"""

import msgspec
from msgspec import UNSET, Raw

from relay.kling.codes import TROUBLE_MIN, Code
from relay.kling.task_object import Status, TaskNews, UnreadableTask, read_task, tasks_of
from relay.kling.transport import Reply
from relay.kling.wire import Envelope, fields_of, read_envelope, value_of


class Accepted(msgspec.Struct, frozen=True):
    """Kling made a task."""

    news: TaskNews
    envelope: Envelope


class Refused(msgspec.Struct, frozen=True):
    """Kling made no task: the hold may be released."""

    code: int
    message: str
    request_id: str


class Unknown(msgspec.Struct, frozen=True):
    """No usable verdict: a task may exist, so the hold stays."""

    reason: str
    is_anothers: bool = False
    """The reply is another request's; so may be the next ones of its connection."""


Verdict = Accepted | Refused | Unknown

SUCCESSES = range(200, 300)
"""HTTP's; Kling documents 200 alone, and 201 is what other services answer a create with."""


def judge_create(reply: Reply, *, injected_id: str) -> Verdict:
    """Conclude what a create's reply says (docs/paths.md, "Path of a submit", step 8)."""
    envelope = read_envelope(reply)
    if envelope is None:
        return Unknown(reason=f"HTTP {reply.status}, not Kling's envelope")
    if _is_trouble(reply, envelope):
        return Unknown(reason=f"HTTP {reply.status}, code {envelope.code}")
    if envelope.code != 0:
        if _is_own_duplicate(envelope, injected_id):
            return Unknown(reason="Kling already has a task under our external id")
        return Refused(code=envelope.code, message=envelope.message, request_id=envelope.request_id)
    tasks = tasks_of(envelope) if reply.status in SUCCESSES else []
    if not tasks:
        return Unknown(reason=f"HTTP {reply.status} with code 0 and no task in it")
    return _judge_made(tasks[0], envelope, injected_id)


def _judge_made(news: TaskNews, envelope: Envelope, injected_id: str) -> Accepted | Unknown:
    if names_another(news, injected_id):
        return Unknown(reason="its external_task_id is another task's", is_anothers=True)
    return Accepted(news=news, envelope=envelope)


def names_another(news: TaskNews, injected_id: str) -> bool:
    """Tell whether it names an external id, and not only this one."""
    return any(external_id != injected_id for external_id in news.external_ids)


def _is_trouble(reply: Reply, envelope: Envelope) -> bool:
    """Tell whether Kling failed rather than refused, by status or by code: a task may exist."""
    return reply.status >= 500 or reply.status == 408 or envelope.code >= TROUBLE_MIN  # noqa: PLR2004


def _is_own_duplicate(envelope: Envelope, injected_id: str) -> bool:
    """Tell whether a 1201 says that our external id is taken: then the first try has landed.

    The real message is one source's word (docs/kling-api.md 7 and 17), so what it may name and our
    id are looked for. The tenant cannot cause it: our id carries 64 random bits. A refusal of our
    callback URL quotes the id too, with the channel behind it, and says nothing of it.
    """
    message = envelope.message.replace(injected_id + "~", "").lower()
    return envelope.code == Code.INVALID_PARAMETER and (
        injected_id.lower() in message
        or ("external" in message and ("duplicate" in message or "exist" in message))
        or ("task" in message and "already exist" in message)
    )


def judge_call(reply: Reply, *, is_listed: bool) -> Verdict:
    """Conclude what a synchronous endpoint's reply says: the result, a refusal, or nothing.

    What can be listed later is known by the id of the element that it made.
    """
    envelope = read_envelope(reply)
    if envelope is None or _is_trouble(reply, envelope):
        return Unknown(reason=f"HTTP {reply.status}, no result in it")
    if envelope.code != 0:
        return Refused(code=envelope.code, message=envelope.message, request_id=envelope.request_id)
    data = envelope.data if isinstance(envelope.data, Raw) else Raw(b"{}")
    try:
        news = read_task(data)
    except UnreadableTask:
        # A list or a text is a result too; only what it cost stands in an object.
        news = read_task(b"{}")
    element = value_of(fields_of(data).get("element_id", UNSET)) if is_listed else None
    done = msgspec.structs.replace(
        news,
        kling_id=None if element is None else str(element),
        status=Status.SUCCEED,
        raw=bytes(data),
    )
    return Accepted(news=done, envelope=envelope)
