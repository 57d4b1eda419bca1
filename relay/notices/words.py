"""Notices as people read them: the lines of `texts.py`, with what is so."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from string import Formatter
from typing import Any, NamedTuple

import msgspec

from relay.moments import moment_of
from relay.money import plain
from relay.notices.events import Event
from relay.notices.tables import Lang
from relay.notices.texts import FOOT, LIMITS, MORE, MOVED, PER, TEXTS, WHOSE

PRICES_SHOWN = 10
AMOUNTS = frozenset(
    ("left", "bound", "last_day", "allowed", "taken", "amount", "charged", "opening", "closing")
)
"""Of data: decimals of the currency, where they are text."""
MOMENTS = frozenset(("at", "expires_at", "begins_anew_at", "until"))
"""Of data: milliseconds."""


class Words(NamedTuple):
    """One notice."""

    title: str
    text: str

    @property
    def size(self) -> int:
        """In bytes, with a line between the two."""
        return len(f"{self.title}\n{self.text}".encode())


class Around(NamedTuple):
    """What amounts and moments are spelled by."""

    currency: str
    timezone: str
    zone: tzinfo


def word_notice(
    event: Event,
    data: Mapping[str, Any],
    *,
    lang: Lang,
    tenant: str,
    created_at: datetime,
    around: Around,
) -> Words:
    """Put it in words."""
    values = {name: _spelt(name, value, around) for name, value in data.items()}
    values |= _made_of(event, data, lang, around)
    values |= {"tenant": tenant, "created_at": _moment(created_at, around)}
    title, lines = TEXTS[_variant(event, data)][lang]
    known = [line for line in (*lines, FOOT[lang]) if _has_all(line, values)]
    return Words(
        _sentence(title.format(**values)),
        "\n".join(_sentence(line.format(**values)) for line in known),
    )


def join_words(words: Sequence[Words], *, lang: Lang) -> Words:
    """Put several notices into one message, the title of the first over it."""
    if len(words) == 1:
        return words[0]
    title = MORE[lang].format(title=words[0].title, more=len(words) - 1)
    return Words(title, "\n\n".join(f"{one.title}\n{one.text}" for one in words))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _variant(event: Event, data: Mapping[str, Any]) -> str:
    match event:
        case Event.LIMIT_NEAR if data["percent"] >= 100:  # noqa: PLR2004 (percent)
            return "limit.near/reached"
        case Event.PRICE_CHANGING if "times" in data:
            return "price.changing/all"
        case Event.PRICE_CHANGING if not data["changes"]:
            return "price.changing/none"
        case Event.SERVICE_PAUSED if data["is_over"]:
            return "service.paused/over"
        case _:
            return event.value


def _has_all(line: str, values: Mapping[str, Any]) -> bool:
    names = [name for _, name, _, _ in Formatter().parse(line) if name]
    return all(values.get(name) is not None for name in names)


def _spelt(name: str, value: Any, around: Around) -> Any:
    if name in AMOUNTS and isinstance(value, str):
        return f"{value} {around.currency}"
    if name in MOMENTS and value is not None:
        return _moment(moment_of(value), around)
    return value


def _moment(at: datetime, around: Around) -> str:
    return f"{at.astimezone(around.zone):%Y-%m-%d %H:%M} ({around.timezone})"


def _made_of(event: Event, data: Mapping[str, Any], lang: Lang, around: Around) -> dict[str, str]:
    """Put together what no single value says."""
    match event:
        case Event.LIMIT_NEAR | Event.TOKEN_EXPIRING:
            made = {"whose": _whose(data, lang)}
            if event is Event.LIMIT_NEAR:
                made["limit_words"] = LIMITS[lang][data["limit"]]
            return made
        case Event.PRICE_CHANGING if "times" in data:
            return {"moved": _moved(Decimal(data["times"]), lang)}
        case Event.PRICE_CHANGING:
            return {"prices": "\n".join(_prices(data, lang, around))}
        case Event.SERVICE_PAUSED:
            return {"scope": _scope(data, lang)}
        case _:
            return {}


def _whose(data: Mapping[str, Any], lang: Lang) -> str:
    number, name = data["token_id"], data["token_name"]
    of_all, of_number, of_name = WHOSE[lang]
    if number is None:
        return of_all
    return (of_name if name else of_number).format(number=number, name=name)


def _scope(data: Mapping[str, Any], lang: Lang) -> str:
    named = [data[name] for name in ("endpoint", "model") if data[name] is not None]
    return " ".join(named) or ("全部接口" if lang is Lang.ZH else "of all endpoints")


def _moved(times: Decimal, lang: Lang) -> str:
    up, down = MOVED[lang]
    return (up if times > 1 else down).format(percent=plain(abs(times - 1) * 100))


def _prices(data: Mapping[str, Any], lang: Lang, around: Around) -> Iterator[str]:
    listed = [*data["prices"], *({**one, "price": None} for one in data["ended"])]
    for one in listed[:PRICES_SHOWN]:
        words = ("endpoint", "model", "mode", "sound", "voice", "video_input")
        kind = " ".join(_word(name, one[name]) for name in words if one[name] is not None)
        if one["duration"] is not None:
            kind += f" {one['duration']} s"
        per = f"{around.currency}/{PER[lang][one['per']]}"
        before = f"{one['price_before']} → " if one.get("price_before") is not None else ""
        hours = f" ({one['hours']})" if one["hours"] is not None else ""
        none = "取消" if lang is Lang.ZH else "ends"
        now = none if one["price"] is None else f"{before}{one['price']} {per}"
        yield f"- {kind}{hours}: {now}"
    more = data["changes"] - min(len(listed), PRICES_SHOWN)
    if more > 0:
        yield f"- …另有 {more} 项" if lang is Lang.ZH else f"- … and {more} more"


def _word(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name.replace("_", " ") if value else f"no {name.replace('_', ' ')}"
    return str(value)


def webhook_body(
    event: Event,
    data: str,
    words: Words,
    *,
    tenant: str,
    created_at: datetime,
    around: Around,
) -> bytes:
    """Spell what a webhook is sent: the same bytes at each attempt.

    `data`: a JSON object, as it was written.
    """
    return msgspec.json.encode(
        {
            "type": event.value,
            "timestamp": created_at,
            "tenant": tenant,
            "currency": around.currency,
            "timezone": around.timezone,
            "title": words.title,
            "text": words.text,
            "data": msgspec.Raw(data.encode()),
        }
    )
