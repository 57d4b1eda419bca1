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


def spell_created(
    generation: Generation, *, id_: str, external_id: str | None, created_at: datetime
) -> bytes:
    """Spell what Kling answers a create that it took (docs/kling-api.md 5.1 and 5.5)."""
    at_ms = ms_of(created_at)
    if generation is Generation.LEGACY:
        return msgspec.json.encode(
            {
                "task_id": id_,
                "task_status": "submitted",
                "task_info": {"external_task_id": external_id} if external_id else {},
                "created_at": at_ms,
                "updated_at": at_ms,
            }
        )
    return msgspec.json.encode(
        {
            "id": id_,
            "status": "submitted",
            "create_time": at_ms,
            "update_time": at_ms,
            "external_id": external_id or "",
        }
    )


def spell_queried(
    generation: Generation,
    *,
    kling_id: str | None,
    status: str,
    message: str,
    external_id: str | None,
    created_at: datetime,
    updated_at: datetime | None = None,
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
        "updated_at": at_ms if updated_at is None else ms_of(updated_at),
    }
    spelt = as_queried(msgspec.json.encode(task))
    return spelt if generation is Generation.LEGACY else as_new(spelt, package="")
