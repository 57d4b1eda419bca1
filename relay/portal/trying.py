"""What somebody filled in, as the body of a create, and as code to take along."""

import re
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from litestar.datastructures import UploadFile

from relay.html.form import Form, Say
from relay.kling.inputs import Input, Kind, put
from relay.kling.media import SCHEME

FILE_BYTES_MAX = 10 * 1024 * 1024
"""Kling's own bound of a picture on its older paths (docs/kling-api.md 4.17)."""
TEXT_CHARS_MAX = 4_096
SHOWN_CHARS_MAX = 300
"""Of a text in code that is shown: a file's base64 has millions."""
FILE = "__file"
"""Behind a field's name: the same, as a file."""
SHOWN_ITEMS_MAX = 50
"""Of a list."""
PARTS_MAX, DEPTH_MAX = 20_000, 32
"""Of a body that was typed. Spelt for people each part is a line, indented by its depth: what comes
in some megabytes, and is nothing but brackets and commas, would be gigabytes."""
_LONG = re.compile(r"^[A-Za-z0-9+/=]+$")


class Tried(msgspec.Struct):
    """A form of the try-it page, with its files."""

    form: Form
    files: dict[str, list[bytes]] = msgspec.field(default_factory=dict)


async def read_tried(request: Any, say: Say) -> Tried:
    """Read what was sent; files are kept nowhere but in this request."""
    tried = Tried(Form(say))
    for name, value in (await request.form()).multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            if content:
                tried.files.setdefault(name.removesuffix(FILE), []).append(content)
        elif isinstance(value, str):
            tried.form.take(name, value)
    return tried


def body_of(tried: Tried, inputs: Sequence[Input]) -> dict[str, object]:
    """Make the body; what is wrong stands in the form's errors, beside its field."""
    body: dict[str, object] = {}
    for one in inputs:
        values = values_of(tried, one)
        if values and one.kind is not Kind.MODEL:
            put(body, one.path, values)
        elif values and one.path != "model":
            body[one.path] = values[0]
        elif one.is_required and one.path not in tried.form.errors:
            tried.form.errors[one.path] = tried.form.say("Fill this in.")
    return body


def read_json(form: Form) -> dict[str, object]:
    """Read a body that was typed as JSON; what is wrong stands in the form's errors."""
    given = form.values.get("json", "").strip()
    if sum(map(given.count, "[{,")) > PARTS_MAX:
        form.errors["json"] = form.say("This is more than any create has.")
        return {}
    try:
        body = msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        form.errors["json"] = form.say("This is no JSON: %(why)s.", why=str(error))
        return {}
    if not isinstance(body, dict):
        form.errors["json"] = form.say("A JSON object, in braces.")
        return {}
    if _is_deep(body):
        form.errors["json"] = form.say("This is more than any create has.")
        return {}
    return body


def shortened(value: Any) -> Any:
    """Take out of a body what nobody can read: the base64 of files, and lists without an end."""
    match value:
        case dict():
            return {name: shortened(one) for name, one in value.items()}
        case list():
            shown = [shortened(one) for one in value[:SHOWN_ITEMS_MAX]]
            return [*shown, "…"] if len(value) > SHOWN_ITEMS_MAX else shown
        case str() if len(value) > SHOWN_CHARS_MAX and _LONG.match(value):
            return f"{value[:24]}…"
        case _:
            return value


def spelt(body: object) -> str:
    """Spell a body for people: with its files cut short."""
    encoded = msgspec.json.encode(shortened(body))
    return msgspec.json.format(encoded, indent=2).decode()


def _is_deep(body: object) -> bool:
    """Tell whether something stands deeper in a body than anything of Kling's does."""
    level: list[Any] = [body]
    for _ in range(DEPTH_MAX):
        level = [
            part
            for one in level
            for part in (one.values() if isinstance(one, dict) else one)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def values_of(tried: Tried, one: Input) -> list[object]:
    """Read a field; what is wrong stands in the form's errors."""
    form = tried.form
    match one.kind:
        case Kind.PICTURE | Kind.SOUND:
            return _files(tried, one)
        case Kind.CHOICE:
            chosen = form.choice(one.path, one.options)
            return [] if chosen is None else [int(chosen) if one.is_whole else chosen]
        case Kind.WHOLE:
            whole = form.whole(one.path, least=1, most=100)
            return [] if whole is None else [whole]
        case Kind.NUMBER:
            number = form.decimal(one.path)
            return [] if number is None else [_number(number)]
        case Kind.SWITCH:
            return [True] if form.is_checked(one.path) else []
        case _:
            text = form.text(one.path, most=TEXT_CHARS_MAX)
            return [] if text is None else [text]


def _number(given: Decimal) -> int | float:
    return int(given) if given == given.to_integral_value() else float(given)


def _files(tried: Tried, one: Input) -> list[object]:
    form = tried.form
    typed = form.values.get(one.path, "").split()
    if any(not url.startswith(("https://", "http://", SCHEME)) for url in typed):
        form.errors[one.path] = form.say("An address that begins with https://, or a file.")
        return []
    files = tried.files.get(one.path, [])
    if any(len(content) > FILE_BYTES_MAX for content in files):
        form.errors[one.path] = form.say("A file has at most %(most)s MB here.", most=10)
        return []
    found: list[object] = [*typed, *(b64encode(content).decode() for content in files)]
    if len(found) > one.most:
        form.errors[one.path] = form.say("At most %(most)s.", most=one.most)
        return []
    return found
