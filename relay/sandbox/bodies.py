"""From the bytes of a request to JSON, and the words in it that ask for faults."""

import json

from relay.sandbox.errors import Refusal
from relay.sandbox.faults import FIELD, Faults, find_faults

TEXT_FIELDS = frozenset(
    {
        "prompt",
        "text",
        "element_name",
        "element_description",
        "voice_name",
        "sound_effect_prompt",
        "bgm_prompt",
        FIELD,
    }
)
"""Fields that are read for faults, wherever they stand in a body."""


def read_body(body: bytes) -> dict[str, object]:
    """Parse with the standard library: it takes 1e400 and integers of any size, as Kling does.

    Raises:
        Refusal: 1200 not a JSON object.
    """
    try:
        values = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(1200, "the request body is not valid JSON") from error
    if not isinstance(values, dict):
        raise Refusal(1200, "the request body must be a JSON object")
    return values


def faults_of(values: dict[str, object], beside: str = "") -> Faults:
    """Find the faults that a body asks for; `beside` is what header and query ask for."""
    texts, left = [beside], list[object]([values])
    while left:  # a loop, since bodies may be deeper than Python's stack
        value = left.pop()
        if isinstance(value, dict):
            texts += [
                text for name, text in value.items() if name in TEXT_FIELDS and type(text) is str
            ]
            left += [part for part in value.values() if isinstance(part, dict | list)]
        elif isinstance(value, list):
            left += [part for part in value if isinstance(part, dict | list)]
    return find_faults("\n".join(texts))


def writable(text: str) -> str:
    """Replace half surrogates, which JSON can escape and UTF-8 cannot write."""
    return text.encode(errors="replace").decode()


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's
