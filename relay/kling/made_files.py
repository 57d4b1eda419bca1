"""Where the files lie that a task made, in all shapes of a result (docs/kling-api.md 5.3, 5.5)."""

import msgspec

from relay.kling.task_object import URL_FIELDS
from relay.kling.wire import Fields, fields_of, items_of, value_of

FILE_FIELDS = (*URL_FIELDS, "watermark_url")
"""What of an item of a result leads to a file of its own."""

_fields = msgspec.json.Decoder(Fields)


def read_file_urls(task: bytes) -> tuple[str, ...]:
    """Read where all files of a task object's result lie, each once; none of what is no task.

    Not where what it was made of lies, such as `parent_video`.
    """
    try:
        fields = _fields.decode(task)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    groups = [fields.get("outputs"), *fields_of(fields.get("task_result")).values()]
    items = [fields_of(item) for group in groups if group is not None for item in items_of(group)]
    found = (value_of(item.get(name)) for item in items for name in FILE_FIELDS)
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str) and one))
