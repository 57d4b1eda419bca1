"""The header by which a tenant marks a create and its retries (docs/promises.md, M6)."""

from litestar.types import HTTPScope

from relay.errors import InvalidParameter

HEADER = "Idempotency-Key"
KEY_CHARS_MAX = 255
"""Longer than any that is made by a rule."""


def read_idempotency_key(scope: HTTPScope) -> str | None:
    """Read a create's own key, without the spaces around it; an empty one is none.

    Raises:
        InvalidParameter: too long.
    """
    for name, value in scope["headers"]:
        if name == b"idempotency-key" and (key := value.strip()):
            if len(key) > KEY_CHARS_MAX:
                raise InvalidParameter(HEADER, f"must have at most {KEY_CHARS_MAX} characters")
            return key.decode("latin-1")
    return None
