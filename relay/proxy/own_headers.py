"""Headers of a create that Kling does not have: its own key (docs/promises.md, M6), its wait."""

from typing import NamedTuple

from litestar.types import HTTPScope

from relay.errors import InvalidParameter
from relay.tasks.queue import wait

KEY_HEADER = "Idempotency-Key"
QUEUE_HEADER = wait.HEADER
KEY_CHARS_MAX = 255
"""Longer than any that is made by a rule."""


class OwnHeaders(NamedTuple):
    """Of one create."""

    key: str | None
    """Its own, without the spaces around it; an empty one is none."""
    queue: str | None
    """For how long it may wait for room, as it is spelt; None is as its tenant's creates may."""


def read_own_headers(scope: HTTPScope) -> OwnHeaders:
    """Read them, the first of each.

    Raises:
        InvalidParameter: the key is too long.
    """
    key = queue = None
    for name, value in scope["headers"]:
        if name == b"idempotency-key" and key is None and (given := value.strip()):
            if len(given) > KEY_CHARS_MAX:
                raise InvalidParameter(KEY_HEADER, f"must have at most {KEY_CHARS_MAX} characters")
            key = given.decode("latin-1")
        elif name == b"relay-queue" and queue is None:
            queue = value.decode("latin-1")
    return OwnHeaders(key, queue)
