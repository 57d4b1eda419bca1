"""Kling's task objects: `data` of a reply, an item of a list, a callback's body; and their costs.

Source: docs/kling-api.md 5 and 6.
"""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum

import msgspec
from msgspec import UNSET, Raw, UnsetType

from relay.kling.transport import Reply
from relay.kling.wire import (
    Envelope,
    Fields,
    fields_of,
    items_of,
    read_envelope,
    text_of,
    value_of,
)
from relay.moments import MS_MAX, moment_of


class Status(StrEnum):
    """Where a task stands, in both generations' words."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEED = "succeed"
    FAILED = "failed"


_STATUS_WORDS = {status.value: status for status in Status} | {"succeeded": Status.SUCCEED}


class _TaskInfo(msgspec.Struct):
    external_task_id: str | None = None


class _TaskObject(msgspec.Struct):
    """The fields of a task that we act upon; both generations' names, all of them optional.

    Decoded in one go when all is as documented; else `_read_leniently` fills it.
    """

    task_id: str | None = None
    id: str | None = None
    task_status: str | None = None
    status: str | None = None
    task_status_msg: str | None = None
    message: str | None = None
    task_info: _TaskInfo | None = None
    external_task_id: str | None = None
    external_id: str | None = None
    # Raw, since one odd number in a field that we hardly need must not hide a task's end.
    task_result: Raw | UnsetType = UNSET
    outputs: Raw | UnsetType = UNSET
    created_at: Raw | UnsetType = UNSET
    create_time: Raw | UnsetType = UNSET
    final_unit_deduction: Raw | UnsetType = UNSET
    final_balance_deduction: Raw | UnsetType = UNSET
    billing: Raw | UnsetType = UNSET


class _Moved(msgspec.Struct):
    """What callbacks alone are asked for, to be counted."""

    updated_at: Raw | UnsetType = UNSET
    update_time: Raw | UnsetType = UNSET
    """Of 2.0."""


_task_object = msgspec.json.Decoder(_TaskObject)
_moved = msgspec.json.Decoder(_Moved)
_fields = msgspec.json.Decoder(Fields)

COST_STEP = Decimal("0.000001")
"""A number of Kling's may have more places than Postgres takes; ours have six."""


class Cost(msgspec.Struct, frozen=True):
    """What Kling says that it took for a task, whatever the tenant is charged.

    The two may stand beside each other: an account pays with its packs first, then in money.
    """

    units: Decimal | None = None
    """None also where several packs are named: their units are no one sum."""
    pack: str | None = None
    """Whose units they are, where Kling says so."""
    cash: Decimal | None = None
    currency: str | None = None
    """None where Kling does not say, as in `final_balance_deduction` (docs/kling-api.md 5.2)."""


NO_COST = Cost()


class TaskNews(msgspec.Struct, frozen=True):
    """What one reply or callback says about one task."""

    kling_id: str | None
    external_ids: tuple[str, ...]
    """As it stands in each of the places where it may stand; empty strings are left out."""
    status: Status | None
    """None if absent or a word that we do not know: then nothing is concluded from it."""
    message: str
    created_at: datetime | None
    """When it was created, by Kling's clock; None if that is not said in milliseconds."""
    result_ids: tuple[str, ...]
    result_urls: tuple[str, ...]
    result_seconds: Decimal | None
    """Of all videos together; None if Kling did not say."""
    deduction: Decimal | None
    """In units. None unless it is usable: a number above zero, and nothing taken in cash."""
    package: str | None
    """Which pack's units they are, if Kling says: all of `billing` names the same one."""
    cost: Cost
    deduction_raw: str | None
    """Kling's own cost fields as JSON."""
    raw: bytes
    """The whole object."""


URL_FIELDS = (
    "url",
    "url_1",
    "url_2",
    "url_3",
    "url_mp3",
    "url_wav",
    "mp3_url",
    "wav_url",
    "trial_url",
)
"""Of an item of a result, in all its variants (docs/kling-api.md 5.3 and 5.5)."""


class UnreadableTask(ValueError):
    """Not an object."""


def read_task(raw: bytes | Raw) -> TaskNews:
    """Read a task object: `data` of a reply, an item of a list, or a callback's body.

    Raises:
        UnreadableTask
    """
    try:
        try:
            task = _task_object.decode(raw)
        except msgspec.ValidationError:
            task = _read_leniently(_fields.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableTask(str(error)) from error
    info = task.task_info.external_task_id if task.task_info else None
    results = _results(task)
    costs = _costs(task)
    return TaskNews(
        kling_id=task.task_id or task.id or None,
        external_ids=tuple(filter(None, (info, task.external_task_id, task.external_id))),
        status=_status(task.task_status) or _status(task.status),
        message=task.task_status_msg or task.message or "",
        created_at=_created_at(task),
        result_ids=_ids(results) if results else (),
        result_urls=_urls(results) if results else (),
        result_seconds=_seconds(results) if results else None,
        deduction=_deduction(task) if costs else None,
        package=_package(task) if costs else None,
        cost=_cost(task) if costs else NO_COST,
        deduction_raw=msgspec.json.encode(costs).decode() if costs else None,
        raw=bytes(raw),
    )


def moved_at(news: TaskNews) -> datetime | None:
    """Read when it moved to where it is, by Kling's clock; None if that is not said."""
    moved = _moved.decode(news.raw)
    return _moment(moved.updated_at if moved.update_time is UNSET else moved.update_time)


def _created_at(task: _TaskObject) -> datetime | None:
    """Read when it was created: `created_at`, and of 2.0 `create_time`."""
    return _moment(task.created_at if task.create_time is UNSET else task.create_time)


def _moment(raw: Raw | UnsetType) -> datetime | None:
    """Read milliseconds, be they a number or a text."""
    spelt = bytes(raw).strip(b'"') if isinstance(raw, Raw) else b""
    ms = int(spelt) if spelt.isdigit() and len(spelt) < 16 else -1  # noqa: PLR2004
    return moment_of(ms) if 0 <= ms <= MS_MAX else None


def _read_leniently(fields: Fields) -> _TaskObject:
    """Read an object of which some field has a type that no page documents."""

    def text(name: str) -> str:
        return text_of(fields.get(name))

    info = fields_of(fields.get("task_info"))
    return _TaskObject(
        task_id=text("task_id"),
        id=text("id"),
        task_status=text("task_status"),
        status=text("status"),
        task_status_msg=text("task_status_msg"),
        message=text("message"),
        task_info=_TaskInfo(text_of(info.get("external_task_id"))),
        external_task_id=text("external_task_id"),
        external_id=text("external_id"),
        task_result=fields.get("task_result", UNSET),
        outputs=fields.get("outputs", UNSET),
        final_unit_deduction=fields.get("final_unit_deduction", UNSET),
        final_balance_deduction=fields.get("final_balance_deduction", UNSET),
        billing=fields.get("billing", UNSET),
    )


def _status(word: str | None) -> Status | None:
    return _STATUS_WORDS.get(word.strip().lower()) if word else None


def _costs(task: _TaskObject) -> dict[str, Raw]:
    named = {
        "final_unit_deduction": task.final_unit_deduction,
        "final_balance_deduction": task.final_balance_deduction,
        "billing": task.billing,
    }
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, Raw) and bytes(value) != b"null"
    }


def _ids(results: list[Fields]) -> tuple[str, ...]:
    found = (value_of(item.get("id")) for item in results)
    return tuple(str(one) for one in found if one is not None)


def _urls(results: list[Fields]) -> tuple[str, ...]:
    found = (value_of(item.get(name)) for item in results for name in URL_FIELDS)
    return tuple(one for one in found if isinstance(one, str))


def _results(task: _TaskObject) -> list[Fields]:
    if task.outputs is UNSET and task.task_result is UNSET:
        return []
    groups = [task.outputs, *fields_of(task.task_result).values()]
    return [
        fields_of(item)
        for group in groups
        for item in items_of(group)
        if bytes(item).startswith(b"{")
    ]


def _seconds(results: list[Fields]) -> Decimal | None:
    lengths = [_decimal(value_of(item.get("duration"))) for item in results]
    known = [length for length in lengths if length is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(lengths) else None


def _deduction(task: _TaskObject) -> Decimal | None:
    billing = [fields_of(item) for item in items_of(task.billing)]
    if billing:
        amounts = [
            _decimal(value_of(item.get("amount")))
            for item in billing
            if value_of(item.get("charge_type")) == "unit"
        ]
        known = [amount for amount in amounts if amount is not None]
        is_whole = len(known) == len(billing)
        return (sum(known, Decimal(0)) or None) if is_whole else None
    if _decimal(value_of(fields_of(task.final_balance_deduction).get("quota"))):
        return None
    return _decimal(value_of(task.final_unit_deduction)) or None


def _cost(task: _TaskObject) -> Cost:
    """Sum what was taken; an amount that cannot be read makes its whole sum unknown."""
    billing = [fields_of(item) for item in items_of(task.billing)]
    if not billing:
        return Cost(
            units=_storable_amount(_decimal(value_of(task.final_unit_deduction))),
            cash=_storable_amount(
                _decimal(value_of(fields_of(task.final_balance_deduction).get("quota")))
            ),
        )
    by_unit, in_cash = (
        [item for item in billing if value_of(item.get("charge_type")) == kind]
        for kind in ("unit", "cash")
    )
    packs, currencies = _words(by_unit, "package_type"), _words(in_cash, "currency")
    return Cost(
        units=_sum(by_unit) if len(packs - {None}) <= 1 else None,
        pack=_only(packs),
        cash=_sum(in_cash) if len(currencies - {None}) <= 1 else None,
        currency=_only(currencies),
    )


def _sum(items: list[Fields]) -> Decimal | None:
    amounts = [_decimal(value_of(item.get("amount"))) for item in items]
    known = [amount for amount in amounts if amount is not None]
    is_whole = bool(known) and len(known) == len(items)
    return _storable_amount(sum(known, Decimal(0))) if is_whole else None


def _storable_amount(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else abs(amount.quantize(COST_STEP, ROUND_HALF_UP).normalize())


def _words(items: list[Fields], name: str) -> set[str | None]:
    """Collect the words that stand in a field of them; None for an item that has none."""
    found = (value_of(item.get(name)) for item in items)
    return {word if isinstance(word, str) else None for word in found}


def _only(words: set[str | None]) -> str | None:
    """Choose the word that all of them have."""
    (word,) = words if len(words) == 1 else (None,)
    return word


def _package(task: _TaskObject) -> str | None:
    named = [value_of(fields_of(item).get("package_type")) for item in items_of(task.billing)]
    is_one = all(package == named[0] for package in named)
    return named[0] if named and is_one and isinstance(named[0], str) else None


def _decimal(value: object) -> Decimal | None:
    """Read a finite number that is not negative, from a JSON number or string."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < Decimal(10) ** 12 else None


def read_queried_task(reply: Reply) -> TaskNews | None:
    """Read the task in a reply's `data`, or None if there is none with an id.

    2.0 answers a query with a list; it was asked for one task.
    """
    tasks = read_listed_tasks(reply)
    return tasks[0] if tasks else None


def read_listed_tasks(reply: Reply) -> list[TaskNews]:
    """Read every task with an id in a reply's `data`, be it an object or a list."""
    envelope = read_envelope(reply)
    return [] if envelope is None or envelope.code != 0 else tasks_of(envelope)


class TaskPage(msgspec.Struct, frozen=True):
    """One page of the list of API 2.0, or of the solutions."""

    tasks: list[TaskNews]
    next_cursor: str | None
    """None: it is the last."""


def read_task_page(reply: Reply) -> TaskPage:
    """Read a page with every task in it that has an id; none of a reply that is no page."""
    envelope = read_envelope(reply)
    data = fields_of(envelope.data) if envelope is not None and envelope.code == 0 else {}
    cursor = text_of(data.get("next_cursor")) if value_of(data.get("has_more")) else ""
    return TaskPage(_tasks_in(items_of(data.get("result", UNSET))), cursor or None)


def tasks_of(envelope: Envelope) -> list[TaskNews]:
    if not isinstance(envelope.data, Raw):
        return []
    is_list = bytes(memoryview(envelope.data)[:1]) == b"["
    return _tasks_in(items_of(envelope.data) if is_list else [envelope.data])


def _tasks_in(raws: list[Raw]) -> list[TaskNews]:
    news: list[TaskNews] = []
    for raw in raws:
        try:
            news.append(read_task(raw))
        except UnreadableTask:
            continue
    return [task for task in news if task.kling_id]
