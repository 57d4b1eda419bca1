"""As little as can be given to a template, by which it is priced where nobody gave anything yet."""

from typing import Any

from relay.runs.templates.template import Input, InputType, Template

URL = "https://example.com/file"


def sample_of(template: Template) -> dict[str, Any]:
    """Make up what has to be given, and of several that can be the first."""
    first = {group[0] for group in template.written.either}
    given: dict[str, Any] = {}
    for one in template.inputs:
        is_needed = one.is_required or one.name in first
        if (is_needed or one.needed_with in given) and one.default is None:
            given[one.name] = _sample(one)
    for one in template.inputs:  # one may stand before what it is needed with
        if one.needed_with in given and one.name not in given and one.default is None:
            given[one.name] = _sample(one)
    return given


def _sample(one: Input) -> Any:
    if one.choices:
        return one.choices[0]
    match one.type:
        case InputType.NUMBER:
            return one.least if one.least is not None else min(1, one.most or 1)
        case InputType.LIST:
            return [URL] * int(one.least or 1)
        case InputType.TEXT:
            return "text"
        case InputType.PICTURE | InputType.VIDEO | InputType.SOUND:
            return URL
