"""Keys of forms that make something, or move money, under no name of its own.

One is drawn as a form is shown, and sent with it: however often that form is sent, it is done once
(`desk/once.py`).
"""

import secrets

CHARS_MAX = 64
PREFIX = "form-"
FIELD = "once"
"""Of a form, which has it."""


def new_key() -> str:
    """Draw the key of a form."""
    return f"{PREFIX}{secrets.token_urlsafe(18)}"


def is_key(given: str) -> bool:
    return given.startswith(PREFIX) and given.isprintable() and len(given) <= CHARS_MAX
