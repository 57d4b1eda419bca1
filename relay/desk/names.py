"""What operators may call things, and how what was removed is called in what stays of it."""

import re

from relay.desk.errors import Unusable

CHARS_MAX = 64
_REMOVED = re.compile(r".* \(removed #\d+\)")


def check_name(text: str, *, what: str = "name") -> None:
    """Check a name, or a word that is kept as one: a reference, a reason.

    Raises:
        Unusable: it is empty, too long, or has what cannot be seen.
    """
    if not text.isprintable() or text != text.strip() or not 0 < len(text) <= CHARS_MAX:
        raise Unusable(
            f"{text!r} is no {what}: 1 to {CHARS_MAX} printable characters, without white space"
            " around them"
        )


def check_new_name(text: str) -> None:
    """Check what something is to be called from now on.

    Raises:
        Unusable: as `check_name`, or it is how something removed is called.
    """
    check_name(text)
    if _REMOVED.fullmatch(text):
        raise Unusable(f"{text!r} is how something removed is called")


def removed_name(name: str, id: int) -> str:  # noqa: A002 (ours, as everywhere)
    """Spell what history calls something from its removal on: its name is free for another."""
    return f"{name} (removed #{id})"
