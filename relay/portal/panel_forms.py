"""What somebody filled in at a panel of the studio, as the body of a create; and back again."""

import re
from typing import Any

from relay.kling.inputs import Input, Kind
from relay.portal.panels import FILES, Field, Panel
from relay.portal.trying import Tried, values_of

BARE_BYTES_MAX = 700 * 1024
"""Of all files of a create where none is kept: as base64 they are a third longer, and all that is
asked for is at most 1 MB then (`runs/begin.py`)."""
TYPED_CHARS_MAX = 4_096
FILE_CHARS_MIN = 500
"""Of a text without a blank: it is no address, and nothing that anybody typed."""
BLANK = re.compile(r"\s")


def body_of(tried: Tried, panel: Panel, *, keeps_files: bool) -> dict[str, Any]:
    """Make the body; what is wrong stands in the form's errors, beside its field."""
    form = tried.form
    body: dict[str, Any] = {}
    for one in panel.fields:
        values = _read(tried, one)
        if values:
            body[one.name] = values if one.is_list else values[0]
    for one in panel.fields:
        is_needed = one.is_required or (one.needed_with is not None and one.needed_with in body)
        if is_needed and one.name not in body:
            form.errors.setdefault(one.name, form.say("Fill this in."))
    for group in panel.either:
        given = [name for name in group if name in body]
        wrong = [name for name in group if name in form.errors]
        if len(given) != 1 and not wrong:
            field = given[1] if given else group[0]
            form.errors[field] = (
                form.say("Only one of these can be given.")
                if given
                else form.say("Give one of these.")
            )
    _bound_files(tried, panel, keeps_files=keeps_files)
    return body


def typed_of(panel: Panel, body: dict[str, Any]) -> dict[str, str]:
    """Spell a body as what was typed: what is too long for a field, such as a file, is left out."""
    typed = {}
    for one in panel.fields:
        value = body.get(one.name)
        values = value if isinstance(value, list) else [value]
        spelt = [str(each) for each in values if isinstance(each, str | int | float)]
        plain = [each for each in spelt if not _is_file(each)]
        text = (" " if one.kind in FILES else "\n").join(plain)
        if text and len(text) <= TYPED_CHARS_MAX:
            typed[one.name] = text
    return typed


def _is_file(text: str) -> bool:
    """Tell whether something is the base64 of a file, or what is remembered of one."""
    return text.startswith("base64 of ") or (
        len(text) > FILE_CHARS_MIN and BLANK.search(text) is None
    )


def _read(tried: Tried, one: Field) -> list[object]:
    if one.is_list and one.kind not in FILES:
        text = tried.form.text(one.name, most=TYPED_CHARS_MAX) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]
    options = one.options if one.kind is Kind.CHOICE or one.kind is Kind.MODEL else ()
    kind = Kind.CHOICE if one.kind is Kind.MODEL else one.kind
    return values_of(tried, Input(one.name, kind, options, most=one.most))


def _bound_files(tried: Tried, panel: Panel, *, keeps_files: bool) -> None:
    files = {one.name: tried.files.get(one.name, []) for one in panel.fields if one.kind in FILES}
    size = sum(len(content) for contents in files.values() for content in contents)
    if keeps_files or size <= BARE_BYTES_MAX:
        return
    form = tried.form
    largest = max(files, key=lambda name: sum(map(len, files[name])))
    form.errors[largest] = form.say(
        "Files are at most %(most)s KB together here, since none are kept for you. Give an"
        " address.",
        most=BARE_BYTES_MAX // 1024,
    )
