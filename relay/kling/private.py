"""What Kling's replies say of the channel's account and of money, in fields that no page lists.

Kling may name its owner or its price in a field of tomorrow, or repeat one deeper. Such fields are
left out of what tenants see, wherever they stand. The cost fields of docs/kling-api.md 5 stay at
the top of a task object, since the tenant's own figures take their place there (`tasks/view.py`).
"""

import re
from functools import lru_cache

import msgspec
from msgspec import Raw

from relay.kling.alike import folded
from relay.kling.wire import Fields

COST_FIELDS = frozenset({"final_unit_deduction", "final_balance_deduction", "billing"})
FIGURES = frozenset(
    {"quota", "list_price", "charge_type", "amount", "package_type", "cash_type", "currency"}
)
"""What pages list inside of a cost field, of all that is private by its name."""
OWNER = "owned_by"
NAMES_MAX = 1024
"""Names that are remembered; Kling has some dozens."""

_PRIVATE = re.compile(
    "deduct|billing|^bills?(?:id|no)?$|invoice|cost(?!um)|price|charge|balance|credit|quota|consum"
    "|fees?$|^paid|payment|^pay(?!load)|(?<!su)spen[dt]$|money|^cash|(?<!con)currency|wallet|voucher"
    "|coupon|discount|refund|(?<!series)amount$|^units$|units?(?:used|left)$"
    "|(?:used|left|remaining)units?$|remainingquantity|resourcepack|^pack(?:age|id|name|$)"
    "|owner|ownedby|creator|user(?:id|name|no|info)?$|^(?:ks|kwai|kling)?uid$|account|customer"
    "|merchant|^tenant|^org(?:aniz|anis|id|name|$)"
    "|^(?:company|enterprise|workspace|project|team|member|app)id$"
    "|accesskey|apikey|appkey|secret"
)
"""In a folded name: money, or whose account it is."""

IN_TASK, IN_REPLY, NOWHERE = 0, 1, -1
"""Where cost fields may stand: at the top of what is cleaned, of its `data`, or not at all."""

_TEXT = rb'"[^"\\]*+"'
_PLAIN_FIELD = (
    rb'"(?:task_(?:id|status|status_msg)":%b|(?:cre|upd)ate(?:d_at|_time)":\d++'
    rb'|task_info":\{(?:"external_task_id":%b)?\}|(?:id|status|message|external_id)":%b'
    rb'|(?:outputs|billing)":\[\])'
) % ((_TEXT,) * 3)
_PLAIN = re.compile(
    rb'(?:\{"code":0,"message":%b,"request_id":%b,"data":)?\{(?:%b,?)*+\}\}?'
    % (_TEXT, _TEXT, _PLAIN_FIELD)
)
"""A task that runs, as it nearly always comes: told at once from all that must be taken apart."""
_NUMBER_OR_TEXT = rb"(?:%b|[\d.]++)" % _TEXT
_PLAIN_ITEM = rb'\{(?:"(?:index|id|url|watermark_url|duration)":%b,?)*+\}' % _NUMBER_OR_TEXT
_PLAIN_END = re.compile(
    rb'\{(?:(?:%b|"final_unit_deduction":%b'
    rb'|"task_result":\{"(?:videos|images)":\[(?:%b,?)*+\]\}),?)*+\}'
    % (_PLAIN_FIELD, _NUMBER_OR_TEXT, _PLAIN_ITEM)
)
"""The same of a success of a legacy endpoint, with the cost that may stand there."""

_fields = msgspec.json.Decoder(Fields)
_list = msgspec.json.Decoder(list[Raw])
_OBJECT, _LIST = _NESTED = b"{["


@lru_cache(maxsize=NAMES_MAX)
def is_private(name: str) -> bool:
    """Tell whether a field's name speaks of money, or of whose account it is."""
    return _PRIVATE.search(folded(name)) is not None


def without_private(raw: bytes, costs: int, *, tenant_id: int | None) -> bytes:
    """Leave out what is the reseller's of a task object or a reply; nearly always nothing is.

    `costs`: where the cost fields that pages list stay. `tenant_id`: stands as owner where Kling
    names one; None leaves it.
    """
    if _PLAIN.fullmatch(raw) or (costs == IN_TASK and _PLAIN_END.fullmatch(raw)):
        return raw
    owner = None if tenant_id is None else Raw(b'"%d"' % tenant_id)
    whole = Raw(raw.strip())
    try:
        cleaned = _cleaned(whole, owner, costs) if _is_nested(whole) else None
    except (msgspec.DecodeError, RecursionError):
        return b"{}"  # whatever it says, nobody can look through it
    return raw if cleaned is None else bytes(cleaned)


def _cleaned(raw: Raw, owner: Raw | None, level: int) -> Raw | None:
    """Clean an object or a list; None if there is nothing to clean.

    `level` counts down to the objects in which cost fields may stand, and on below them.
    """
    if memoryview(raw)[0] == _OBJECT:
        return _cleaned_object(_fields.decode(raw), owner, level)
    items = _list.decode(raw)
    cleaned = [_cleaned(one, owner, level) if _is_nested(one) else None for one in items]
    if not any(cleaned):
        return None
    return _raw([new or old for new, old in zip(cleaned, items, strict=True)])


def _cleaned_object(fields: Fields, owner: Raw | None, level: int) -> Raw | None:
    changed: dict[str, Raw | None] = {}
    for name, value in fields.items():
        if is_private(name):
            if name == OWNER and not _is_nested(value):
                changed[name] = owner or value
            elif level or name not in COST_FIELDS:
                changed[name] = None
            elif _is_nested(value):
                changed[name] = _figures(value)
        elif _is_nested(value):
            cleaned = _cleaned(value, owner, level - 1 if name == "data" else -1)
            if cleaned is not None:
                changed[name] = cleaned
    if all(new is not None and bytes(new) == bytes(fields[name]) for name, new in changed.items()):
        return None
    return _raw({name: new for name, new in (fields | changed).items() if new is not None})


def _figures(raw: Raw) -> Raw:
    """Leave out of a cost field the figures that no page lists, and what is no object."""
    if memoryview(raw)[0] == _LIST:
        items = _list.decode(raw)
        kept = [_figures(one) for one in items if _is_nested(one)]
        return raw if kept == items else _raw(kept)
    fields = _fields.decode(raw)
    shown = {
        name: value for name, value in fields.items() if name in FIGURES or not _is_figure(name)
    }
    return raw if len(shown) == len(fields) else _raw(shown)


def _is_figure(name: str) -> bool:
    return is_private(name) or any(word in name for word in ("amount", "before", "after", "total"))


def _is_nested(raw: Raw) -> bool:
    return memoryview(raw)[0] in _NESTED


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
