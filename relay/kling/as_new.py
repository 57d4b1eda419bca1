"""A legacy task in the words of API 2.0, whose `GET /tasks` finds legacy tasks too.

That it finds them is one source's word (docs/kling-api.md 17). In which shape it shows them nobody
tells: here in that of section 5.5, with the values as they stand in the legacy object.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Raw

from relay.kling.wire import Fields, fields_of, value_of

OUTPUT_TYPES = {
    "videos": "video",
    "images": "image",
    "series_images": "image",
    "audios": "audio",
    "elements": "element",
    "voices": "voice",
}
"""Lists of `task_result`, and what 2.0 calls one of their items."""
OUTPUT_NAMES = {
    "url_mp3": "mp3_url",
    "url_wav": "wav_url",
    "duration_mp3": "mp3_duration",
    "duration_wav": "wav_duration",
}
NOT_SHOWN = {"image": ("id", "index")}
"""Fields that an output has no more, by its type."""
STATUS_WORDS = {"succeed": "succeeded"}
"""Those that differ."""

_EMPTY = Raw(b'""')
_list = msgspec.json.Decoder(list[Raw])


def as_new(task: bytes, *, package: str) -> bytes:
    """Rewrite a legacy task object; `package` is whose units its deduction is in."""
    fields = fields_of(Raw(task))
    status = value_of(fields.get("task_status"))
    info = fields_of(fields.get("task_info", Raw(b"null")))
    return msgspec.json.encode(
        {
            "id": fields.get("task_id", _EMPTY),
            "status": STATUS_WORDS.get(str(status), status),
            "message": fields.get("task_status_msg", _EMPTY),
            "create_time": fields.get("created_at", _EMPTY),
            "update_time": fields.get("updated_at", _EMPTY),
            "external_id": info.get("external_task_id", _EMPTY),
            "outputs": list(_outputs(fields_of(fields.get("task_result", Raw(b"null"))))),
            "billing": list(_billing(fields, package)),
        }
    )


def _outputs(result: Fields) -> Iterator[dict[str, Raw | str]]:
    for name, group in result.items():
        kind = OUTPUT_TYPES.get(name)
        for item in _items(group) if kind else []:
            fields = fields_of(item)
            shown = {OUTPUT_NAMES.get(one, one): value for one, value in fields.items()}
            for hidden in NOT_SHOWN.get(str(kind), ()):
                shown.pop(hidden, None)
            yield {"type": str(kind), **shown}


def _items(group: Raw) -> list[Raw]:
    try:
        return _list.decode(group)
    except msgspec.DecodeError:
        return []


def _billing(fields: Fields, package: str) -> Iterator[dict[str, Raw | str]]:
    """Say once what was taken: in units, or else in money."""
    units = fields.get("final_unit_deduction")
    if units is not None and _is_some(units):
        yield {"charge_type": "unit", "amount": units, "package_type": package}
        return
    balance = fields_of(fields.get("final_balance_deduction", Raw(b"null")))
    quota = balance.get("quota")
    if quota is not None and _is_some(quota):
        price = balance.get("list_price", quota)
        yield {"charge_type": "cash", "cash_type": "balance", "amount": quota, "list_price": price}


def _is_some(amount: Raw) -> bool:
    try:
        return Decimal(str(value_of(amount))) > 0
    except ArithmeticError:
        return False
