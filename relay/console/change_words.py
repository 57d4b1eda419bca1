"""What was changed, on what and how, in a person's words and language."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from relay.console.page import Page
from relay.desk.fields import FIELDS
from relay.desk.shown import ShownChange, Subject
from relay.html.words import LANGUAGES, say

MICROS, SECONDS = "_micros", "_s"
"""How the names of amounts and of lengths end."""
NUMBERS = ("units", "times", "price")
"""What is an amount by other names: of prices in Kling's units, multipliers, purchase prices."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d[\d:.]*(Z|[+-]\d\d:\d\d)", re.ASCII)
STATES = frozenset(("state", "status", "kind", "basis"))
"""Fields whose values are words of ours, also in sentences."""
WORDS: Mapping[str, Mapping[str, str]] = {
    "kind": {
        "units": say("units of Kling's"),
        "fixed": say("an amount"),
        "special": say("special VAT fapiao"),
        "general": say("general VAT fapiao"),
        "plain": say("invoice outside of China"),
        "mail": say("Mail"),
        "feishu": say("Feishu or Lark"),
        "dingtalk": say("DingTalk"),
        "wecom": say("WeCom"),
    },
    "per": {"task": say("a task"), "second": say("a second"), "image": say("an image")},
    "pack": {"video": say("of videos"), "image": say("of images")},
    "role": {
        "owner": say("owner"),
        "operator": say("operator"),
        "finance": say("finance"),
        "support": say("support"),
        "viewer": say("viewer"),
    },
    "scope": {
        "call": say("Kling's paths"),
        "read": say("Reading only"),
        "manage": say("Kling's paths, and its tokens and secrets"),
    },
    "language": LANGUAGES,
}
"""Of fields whose values are words of ours on pages alone."""
NOTHING: tuple[object, ...] = (0, False, {}, [])
"""Values that say nothing of what was made or removed."""
NAMED = {"amounts": say("amounts times multipliers"), "file": say("a file"), "all": say("all")}
"""What prices and multipliers were changed where no one row was."""
KEY = re.compile(r" ?\b(model|mode|sound|voice|video_input|duration_s|tenant|price_group|hours)=")
"""What stands before each word of a row's key, as `desk/prices.py` spells it."""
FLAGS = {
    "sound": (say("without sound"), say("with sound")),
    "voice": (say("without voice control"), say("with voice control")),
    "video_input": (
        say("without a video or a reference image"),
        say("with a video or a reference image"),
    ),
}


class Laid(msgspec.Struct, frozen=True):
    """One field, as it was and as it is."""

    field: str
    """As programs call it."""
    words: str
    before: str | None
    after: str | None


def lay(change: ShownChange, page: Page) -> list[Laid]:
    """Lay what was before beside what is after, field by field: first what it came to.

    A list has room for three of them, and jsonb keeps no order of its own.
    """
    before, after = change.before or {}, change.after or {}
    return [
        Laid(
            *(field, page.hear(FIELDS.get(field, field))),
            *(_spelt(field, before.get(field), page), _spelt(field, after.get(field), page)),
        )
        for field in sorted({**before, **after}, key=_is_no_amount)
        if before.get(field) is not None or after.get(field) is not None
    ]


def spell_change(change: ShownChange, page: Page) -> str:
    """Spell a change in a line; of what was made or removed only what says something."""
    is_whole = change.before is None or change.after is None
    values = change.after or change.before or {}
    return page.say(", ").join(
        _in_a_line(one)
        for one in lay(change, page)
        if not is_whole or values.get(one.field) not in NOTHING
    )


def _in_a_line(one: Laid) -> str:
    sides = [side for side in (one.before, one.after) if side is not None]
    return f"{one.words} {' > '.join(sides)}"


def spell_subject(subject: Subject, page: Page) -> str:
    """Name what was changed: a price by the tasks and the tenants that it is for."""
    if subject.kind not in ("price", "multiplier"):
        return subject.name
    if subject.name in NAMED:
        return page.say(NAMED[subject.name])
    what, *pairs = KEY.split(subject.name)
    of = dict(zip(pairs[::2], pairs[1::2], strict=True))
    named = " ".join(one for one in (what, of.get("model"), of.get("mode")) if one)
    return page.say(", ").join([*([named] if named else []), *_told(of, page)])


def _is_no_amount(field: str) -> bool:
    return field not in NUMBERS and not field.endswith(MICROS)


def _told(of: Mapping[str, str], page: Page) -> Iterator[str]:
    for name, (no, yes) in FLAGS.items():
        if name in of:
            yield page.say(yes if of[name] == str(True) else no)
    if "duration_s" in of:
        yield f"{of['duration_s']} s"
    if "tenant" in of:
        yield page.say("tenant %(name)s", name=of["tenant"])
    if "price_group" in of:
        yield page.say("group %(name)s", name=of["price_group"])
    if "hours" in of:
        begin, _, end = of["hours"].partition("-")
        yield page.say("%(begin)s to %(end)s h", begin=begin, end=end)


def _spelt(field: str, value: object, page: Page) -> str | None:
    """Spell a value; None where this side has none."""
    match value:
        case None:
            spelt = None
        case bool():
            spelt = page.say("Yes") if value else page.say("No")
        case int() if field.endswith(MICROS):
            spelt = page.spell.money(value)
        case int() if field.endswith(SECONDS):
            spelt = page.spell.lasting(value)
        case str() if MOMENT.fullmatch(value):
            spelt = page.spell.exact(datetime.fromisoformat(value))
        case str() if value in WORDS.get(field, {}):
            spelt = page.say(WORDS[field][value])
        case str():
            spelt = page.hear(value) if field in STATES else value
        case list() if all(isinstance(one, str | int) for one in value):
            spelt = ", ".join(map(str, value)) or page.say("none")
        case dict() if all(isinstance(one, int) for one in value.values()):
            spelt = _spelt_by_name(field, value, page)
        case _:
            spelt = json.dumps(value, ensure_ascii=False)
    return spelt


def _spelt_by_name(field: str, values: dict[str, int], page: Page) -> str:
    """Spell the room of each model, or the most, in micros, that each act may come to in a day."""
    if field == "ceilings":
        each = [f"{page.hear(act)} {page.spell.money(micros)}" for act, micros in values.items()]
        return ", ".join(each) or page.say("its role's")
    return ", ".join(f"{name}={number}" for name, number in values.items()) or page.say("none")
