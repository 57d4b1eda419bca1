"""What a query of Kling's has, for task objects that came another way.

A create's reply and a callback lack fields that stand in every reply to a query, and clients with
strict schemas require them (docs/kling-api.md 5.2, 5.5 and 17).
"""

from datetime import datetime

import msgspec

from relay.kling.as_new import as_new
from relay.kling.endpoint import Generation
from relay.kling.wire import Fields
from relay.moments import ms_of

_fields = msgspec.json.Decoder(Fields)

_OF_LEGACY = {
    "task_status_msg": b'""',
    "task_info": b"{}",
    "watermark_info": b'{"enabled":false}',
}
_OF_NEW = {"message": b'""', "external_id": b'""', "outputs": b"[]", "billing": b"[]"}


def as_queried(task: bytes) -> bytes:
    """Add the fields that a query would have, with Kling's empty values; all else stays as it is.

    Whose fields is told by the object's own: the replies of a solution mix both (section 3.3).
    """
    fields = _fields.decode(task)
    empty = _OF_LEGACY if "task_status" in fields else _OF_NEW
    missing = [b'"%b":%b' % (name.encode(), empty[name]) for name in empty if name not in fields]
    if not missing:
        return task
    return task.rstrip()[:-1].rstrip() + b"," * bool(fields) + b",".join(missing) + b"}"


def spell_queried(
    generation: Generation,
    *,
    kling_id: str | None,
    status: str,
    message: str,
    external_id: str | None,
    created_at: datetime,
) -> bytes:
    """Spell a task of which no word of Kling's is kept, as a query of its generation has it.

    `status` is in the words of our own states.
    """
    at_ms = ms_of(created_at)
    task = {
        "task_id": kling_id,
        "task_status": status,
        "task_status_msg": message,
        "task_info": {"external_task_id": external_id} if external_id else {},
        "created_at": at_ms,
        "updated_at": at_ms,
    }
    spelt = as_queried(msgspec.json.encode(task))
    return spelt if generation is Generation.LEGACY else as_new(spelt, package="")
