"""New-api's own words for Kling's tasks: its unified body, its views of a task, its errors.

As its Kling adaptor maps them since v0.9.5: one object for creates, one for each of its two ways to
ask.
"""

from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

import msgspec
from msgspec import Raw

from relay.errors import (
    BadRequest,
    InsufficientQuota,
    InvalidParameter,
    QuotaWithheld,
    RelayError,
    TaskNotFound,
)
from relay.kling.body import read_fields
from relay.kling.task_object import Status, TaskNews
from relay.kling.wire import Fields, fields_of, text_of
from relay.moments import moment_of

PREFIX = "task_"
"""Of its ids; behind it stands the id that the relay's own paths have."""
IMAGE_TO_VIDEO, TEXT_TO_VIDEO = "image2video", "text2video"
RATIOS = {
    **dict.fromkeys(("1024x1024", "512x512"), "1:1"),
    **dict.fromkeys(("1280x720", "1920x1080"), "16:9"),
    **dict.fromkeys(("720x1280", "1080x1920"), "9:16"),
}
OTHER_RATIO = "1:1"
CREATES = {TEXT_TO_VIDEO: "textGenerate", IMAGE_TO_VIDEO: "generate"}
"""What it calls an endpoint's tasks."""
STATES = {
    Status.SUBMITTED: ("SUBMITTED", "queued", 10),
    Status.PROCESSING: ("IN_PROGRESS", "in_progress", 30),
    Status.SUCCEED: ("SUCCESS", "completed", 100),
    Status.FAILED: ("FAILURE", "failed", 100),
}
"""Its words for a state, of its own and of OpenAI's object, and the progress it tells."""
FORBIDDEN, BAD = 403, 400


class Seen(msgspec.Struct, frozen=True):
    """A task, as it is to be shown."""

    id: str
    """With the prefix."""
    endpoint: str
    model: str | None
    news: TaskNews
    data: bytes
    """Kling's task object, as its tenant sees it."""
    created_at: datetime
    ended_at: datetime | None
    result_url: str | None
    channel_id: int | None = None
    """Whose account made it; None is one of before its tenant moved here."""

    @property
    def status(self) -> Status:
        return self.news.status or Status.SUBMITTED


def read_create(content: bytes, content_type: str) -> tuple[str, Fields]:
    """Turn a unified body into the endpoint and the fields that Kling has for it.

    Fields of `metadata` are Kling's own, and stand over all others.

    Raises:
        BadRequest, InvalidParameter
    """
    given = _form(content, content_type) if "multipart/" in content_type else read_fields(content)
    for name in ("model", "prompt"):
        if not text_of(given.get(name)).strip():
            raise InvalidParameter(name, "is required")
    fields: Fields = {
        "model_name": given["model"],
        "prompt": given["prompt"],
        "mode": _raw(text_of(given.get("mode")).strip() or "std"),
        "duration": _raw(_seconds(given)),
        "aspect_ratio": _raw(RATIOS.get(text_of(given.get("size")), OTHER_RATIO)),
        "cfg_scale": Raw(b"0.5"),
    }
    if (image := _image(given)) is not None:
        fields["image"] = image
    fields |= _metadata(given.get("metadata"))
    has_image = any(text_of(fields.get(name)) for name in ("image", "image_tail"))
    if has_image:
        del fields["aspect_ratio"]
    return IMAGE_TO_VIDEO if has_image else TEXT_TO_VIDEO, fields


def spell_created(id_: str, model: str, at_ms: int) -> dict[str, Any]:
    """Spell what a create is answered."""
    named = {"id": PREFIX + id_, "task_id": PREFIX + id_, "object": "video", "model": model}
    return named | {
        "status": "queued",
        "progress": 0,
        "created_at": int(moment_of(at_ms).timestamp()),
    }


def spell_task(seen: Seen, *, tenant_id: int, group: str | None) -> dict[str, Any]:
    """Spell a task as `/v1/video/generations/{id}` does: no channel, and no units, stand in it."""
    state, _, progress = STATES[seen.status]
    began = int(seen.created_at.timestamp())
    ended = _ended(seen)
    return {
        "id": 0,
        "created_at": began,
        "updated_at": ended or began,
        "task_id": seen.id,
        "platform": "50",
        "user_id": tenant_id,
        "group": group or "default",
        "channel_id": 0,
        "quota": 0,
        "action": CREATES.get(seen.endpoint, seen.endpoint),
        "status": state,
        "fail_reason": seen.news.message if seen.status is Status.FAILED else "",
        "result_url": seen.result_url or "",
        "submit_time": began,
        "start_time": began,
        "finish_time": ended,
        "progress": f"{progress}%",
        "properties": {"input": "", "origin_model_name": seen.model or ""},
        "data": {"code": 0, "message": "SUCCEED", "data": Raw(seen.data)},
    }


def spell_video(seen: Seen) -> dict[str, Any]:
    """Spell a task as OpenAI's object of a video, for `/v1/videos/{id}`."""
    _, state, progress = STATES[seen.status]
    spelled: dict[str, Any] = {
        "id": seen.id,
        "task_id": seen.id,
        "object": "video",
        "model": seen.model or "",
        "status": state,
        "progress": progress,
        "created_at": int(seen.created_at.timestamp()),
    }
    if ended := _ended(seen):
        spelled["completed_at"] = ended
    if seen.news.result_seconds is not None:
        spelled["seconds"] = str(seen.news.result_seconds)
    if seen.result_url:
        spelled["metadata"] = {"url": seen.result_url}
    if seen.status is Status.FAILED:
        spelled["error"] = {"message": seen.news.message, "code": "task_failed"}
    return spelled


def spell_refusal(error: RelayError) -> tuple[int, dict[str, Any]]:
    """Spell a refusal of ours, with the status that it has there."""
    match error:
        case TaskNotFound():
            return BAD, {"code": "task_not_exist", "message": "task_not_exist", "data": None}
        case InsufficientQuota() | QuotaWithheld():
            return FORBIDDEN, _error("insufficient_user_quota", error.message)
        case BadRequest() | InvalidParameter():
            return error.http_status, _error("invalid_request", error.message)
        case _:
            return error.http_status, _error("fail_to_fetch_task", error.message)


def spell_unauthorized(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "new_api_error", "code": ""}}


def spell_failed(message: str) -> dict[str, Any]:
    """Spell Kling's own refusal of a create."""
    return _error("task_failed", message)


def spell_content_error(message: str, *, is_ours: bool = False) -> dict[str, Any]:
    """Spell why there are no bytes of a video: the client's fault, or not."""
    type_ = "server_error" if is_ours else "invalid_request_error"
    return {"error": {"message": message, "type": type_}}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "data": None}


def _ended(seen: Seen) -> int:
    is_over = seen.status in (Status.SUCCEED, Status.FAILED)
    return int(seen.ended_at.timestamp()) if is_over and seen.ended_at is not None else 0


def _seconds(given: Fields) -> str:
    """Read the length: a number or a text; Kling wants a text."""
    for name in ("duration", "seconds"):
        spelled = bytes(given.get(name, Raw(b""))).decode().strip().strip('"')
        if spelled and spelled not in ("null", "0"):
            return spelled
    return "5"


def _image(given: Fields) -> Raw | None:
    for name in ("image", "input_reference"):
        if text_of(given.get(name)):
            return given[name]
    images = given.get("images")
    try:
        listed = msgspec.json.decode(images, type=list[str]) if images is not None else []
    except msgspec.MsgspecError:
        listed = []
    return _raw(listed[0]) if listed and listed[0] else None


def _metadata(given: Raw | None) -> Fields:
    """Read Kling's own fields; of a form they are a text of JSON."""
    if given is None or bytes(given) == b"null":
        return {}
    text = text_of(given)
    return fields_of(Raw(text.encode()) if text else given)


def _form(content: bytes, content_type: str) -> Fields:
    """Read a form's texts; a file is refused, since Kling takes a URL or base64.

    Raises:
        BadRequest
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = message_from_bytes(head + content, policy=policy.HTTP)
    if not form.is_multipart():
        raise BadRequest("The form cannot be read")
    fields: Fields = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise InvalidParameter(str(name), "is a file: give a URL, or base64 in image")
        payload = part.get_payload(decode=True)
        text = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
        fields[str(name)] = _raw(text)
    return fields


def _raw(text: str) -> Raw:
    return Raw(msgspec.json.encode(text))
