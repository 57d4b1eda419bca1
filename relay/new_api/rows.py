"""What new-api's rows say, whichever version wrote them."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from relay.new_api.source import Row, SourceError

ENABLED = 1
MULTI_KEY_ENABLED = 1
KLING = 50
"""Type of channels that are Kling accounts."""
KLING_PLATFORMS = ("50", "kling")
"""Of tasks, as older and newer versions spell it."""
ENDED = ("SUCCESS", "FAILURE")
NEVER = -1
USUAL_UNITS = "500000"
"""Units in a dollar, where no option says otherwise."""
Value = TypeVar("Value")


class Options(msgspec.Struct, frozen=True):
    """What is set there; what is not has new-api's own default."""

    units_per_usd: Decimal
    is_units_said: bool
    """False: no option says how many, and it is the usual number."""
    group_ratios: dict[str, float]
    pair_ratios: dict[str, dict[str, float]]
    """By the user's group, and the one that serves."""
    model_prices: dict[str, float]
    model_ratios: dict[str, float]
    auto_groups: tuple[str, ...]
    usd_rate: str | None
    """The rate that it shows amounts by, for people."""


class User(msgspec.Struct, frozen=True):
    """A user who was not deleted."""

    id: int
    name: str
    group: str
    is_enabled: bool
    quota_units: int
    """What is left; may be below zero."""
    waiting_units: int
    """Earned for those it brought along, and not transferred yet."""


class Key(msgspec.Struct, frozen=True):
    """A token, with its key: never log one."""

    id: int
    user_id: int
    name: str
    secret: str
    """Without `sk-`."""
    is_enabled: bool
    expires_at: datetime | None
    left_units: int | None
    """None is no limit of its own."""
    models: tuple[str, ...]
    """None is all."""
    addresses: tuple[str, ...]
    group: str
    """Empty is as its user's; `auto` is the first of several."""

    def __repr__(self) -> str:
        return f"Key(id={self.id})"

    @property
    def api_key(self) -> str:
        """Spell it as clients send it."""
        return f"sk-{self.secret}"


class OldCode(msgspec.Struct, frozen=True):
    """A redeem code that nobody has used: never log one."""

    id: int
    text: str
    units: int
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"OldCode(id={self.id})"


class ChannelKey(msgspec.Struct, frozen=True):
    """One of a channel's keys: never log one."""

    text: str
    is_enabled: bool

    def __repr__(self) -> str:
        return "ChannelKey(...)"


class Channel(msgspec.Struct, frozen=True):
    """A channel of Kling's."""

    id: int
    name: str
    keys: tuple[ChannelKey, ...]
    base_url: str
    models: tuple[str, ...]
    """As clients name them."""
    renamed: dict[str, str]
    """Of these, what Kling is told instead."""
    groups: tuple[str, ...]
    priority: int
    weight: int
    proxy: str | None
    """With its password: never log it."""

    def __repr__(self) -> str:
        return f"Channel(id={self.id})"


class OldTask(msgspec.Struct, frozen=True):
    """A task of Kling's, made there."""

    id: str
    user_id: int
    action: str
    status: str
    model: str | None
    created_at: datetime
    ended_at: datetime | None
    message: str
    """Why it failed."""
    result_url: str | None
    data: str | None
    """Kling's last reply, as JSON."""

    @property
    def has_succeeded(self) -> bool:
        return self.status == "SUCCESS"


def read_options(rows: Iterable[Row]) -> Options:
    """Read the table `options`.

    Raises:
        SourceError: one that amounts depend on cannot be read.
    """
    said = {str(row["key"]): row["value"] for row in rows if row["value"] is not None}
    spelt = said.get("QuotaPerUnit", USUAL_UNITS)
    try:
        units = Decimal(str(spelt))
    except InvalidOperation:
        units = Decimal(0)
    if not units.is_finite() or units <= 0:
        raise SourceError(f"its QuotaPerUnit is no number of units: {spelt!r}")
    return Options(
        units_per_usd=units,
        is_units_said="QuotaPerUnit" in said,
        group_ratios=_option(said, "GroupRatio", dict[str, float], {}),
        pair_ratios=_option(said, "GroupGroupRatio", dict[str, dict[str, float]], {}),
        model_prices=_option(said, "ModelPrice", dict[str, float], {}),
        model_ratios=_option(said, "ModelRatio", dict[str, float], {}),
        auto_groups=tuple(_option(said, "AutoGroups", list[str], ["default"])),
        usd_rate=said.get("USDExchangeRate"),
    )


def read_user(row: Row) -> User | None:
    """Read a user; None if it was deleted."""
    status = _number(row, "status", ENABLED)
    if row.get("deleted_at") is not None or status == 3:  # noqa: PLR2004 (one-api: deleted)
        return None
    return User(
        id=int(row["id"]),
        name=str(row["username"] or "").strip(),
        group=_text(row, "group") or "default",
        is_enabled=status == ENABLED,
        quota_units=_number(row, "quota", 0),
        waiting_units=_number(row, "aff_quota", 0),
    )


def read_key(row: Row) -> Key | None:
    """Read a token; None if it was deleted."""
    if row.get("deleted_at") is not None:
        return None
    expires = _number(row, "expired_time", NEVER)
    models = row.get("models") if "models" in row else row.get("model_limits")
    is_limited = "models" in row or bool(row.get("model_limits_enabled"))
    addresses = row.get("subnet") if "subnet" in row else row.get("allow_ips")
    return Key(
        id=int(row["id"]),
        user_id=int(row["user_id"]),
        name=_text(row, "name"),
        secret=_text(row, "key").removeprefix("sk-"),
        # 3 and 4, expired and used up, are written late or never: what they follow from counts.
        is_enabled=_number(row, "status", ENABLED) != 2,  # noqa: PLR2004 (disabled)
        expires_at=None if expires <= 0 else moment_of(expires),
        left_units=None if row.get("unlimited_quota") else _number(row, "remain_quota", 0),
        models=_listed(models) if is_limited else (),
        addresses=_listed(str(addresses or "").replace("\n", ",")),
        group=_text(row, "group"),
    )


def read_code(row: Row) -> OldCode:
    """Read a redeem code."""
    expires = _number(row, "expired_time", 0)
    return OldCode(
        id=int(row["id"]),
        text=_text(row, "key").strip(),
        units=_number(row, "quota", 0),
        expires_at=None if expires <= 0 else moment_of(expires),
    )


def read_channel(row: Row) -> Channel:
    """Read a channel of Kling's, with each key of one that has several."""
    info = _json(row.get("channel_info"))
    states = info.get("multi_key_status_list") or {}
    is_on = _number(row, "status", ENABLED) == ENABLED
    setting = _json(row.get("setting"))
    texts = [text.strip() for text in _text(row, "key").split("\n") if text.strip()]
    keys = (
        ChannelKey(text, is_on and states.get(str(number), ENABLED) == MULTI_KEY_ENABLED)
        for number, text in enumerate(texts)
    )
    given = {str(name): str(real) for name, real in _json(row.get("model_mapping")).items()}
    renamed = {name: _last_of(given, name) for name in given}
    return Channel(
        id=int(row["id"]),
        name=_text(row, "name"),
        keys=tuple(keys),
        base_url=_text(row, "base_url").rstrip("/"),
        models=_listed(row.get("models")),
        renamed={name: real for name, real in renamed.items() if name != real},
        groups=_listed(row.get("group")) or ("default",),
        priority=_number(row, "priority", 0),
        weight=max(1, _number(row, "weight", 1)),
        proxy=str(setting.get("proxy") or "").strip() or None,
    )


def _last_of(renamed: Mapping[str, str], name: str) -> str:
    """Follow what a name is renamed to, and that again, as new-api does; a circle leads nowhere."""
    seen = [name]
    while (real := renamed.get(seen[-1], seen[-1])) != seen[-1]:
        if real in seen:
            return name
        seen.append(real)
    return seen[-1]


def read_task(row: Row) -> OldTask:
    """Read a task of Kling's."""
    status = _text(row, "status")
    properties, private = _json(row.get("properties")), _json(row.get("private_data"))
    reason = _text(row, "fail_reason")
    # Until results had a field of their own, they stood where reasons stand.
    url = private.get("result_url") or (reason if reason.startswith("http") else None)
    ended = _number(row, "finish_time", 0)
    data = row.get("data")
    return OldTask(
        id=_text(row, "task_id"),
        user_id=_number(row, "user_id", 0),
        action=_text(row, "action"),
        status=status,
        model=properties.get("origin_model_name") or properties.get("upstream_model_name") or None,
        created_at=moment_of(_number(row, "submit_time", 0) or _number(row, "created_at", 0)),
        ended_at=moment_of(ended) if ended > 0 else None,
        message=reason if status == "FAILURE" else "",
        result_url=url if status == "SUCCESS" else None,
        data=data
        if isinstance(data, str) or data is None
        else bytes(data).decode(errors="replace"),
    )


def moment_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)


def _option(said: Mapping[str, Any], name: str, kind: type[Value], otherwise: Value) -> Value:
    text = said.get(name)
    if not text:
        return otherwise
    try:
        value = msgspec.json.decode(str(text), type=kind)
    except msgspec.MsgspecError as error:
        raise SourceError(f"its option {name} cannot be read: {error}") from error
    numbers = value.values() if isinstance(value, dict) else ()
    if any(isinstance(one, float) and not (math.isfinite(one) and one >= 0) for one in numbers):
        raise SourceError(f"its option {name} has what is no price and no ratio")
    return value


def _text(row: Row, name: str) -> str:
    """Read a text; Postgres pads those of a fixed length."""
    return str(row.get(name) or "").strip()


def _number(row: Row, name: str, otherwise: int) -> int:
    value = row.get(name)
    return otherwise if value is None else int(value)


def _listed(text: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in str(text or "").split(",") if one.strip()))


def _json(value: object) -> dict[str, Any]:
    """Read a column of JSON; what is none says nothing."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str | bytes) or not value:
        return {}
    try:
        read = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
