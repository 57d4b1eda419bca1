"""What operators may call things, and how what was removed is called in what stays of it."""

import re

from relay.desk.errors import Unusable

CHARS_MAX = 64
WORDS_CHARS_MAX = 300
NOTES_CHARS_MAX = 2000
FIELDS = {"text for a tenant": "tell"}
"""How the office's documents name what is called something else here."""
_REMOVED = re.compile(r".* \(removed #\d+\)")


def check_name(text: str, *, what: str = "name") -> None:
    """Check a name, or a word that is kept as one: a reference.

    Raises:
        Unusable: it is empty, too long, or has what cannot be seen.
    """
    _check(text, what=what, chars_max=CHARS_MAX)


def check_words(text: str, *, what: str = "text for a tenant") -> None:
    """Check what a tenant is to read, or a reason that operators will.

    Raises:
        Unusable: as `check_name`, only that it may be a sentence.
    """
    _check(text, what=what, chars_max=WORDS_CHARS_MAX)


def check_notes(text: str) -> None:
    """Check what operators want to remember, in lines.

    Raises:
        Unusable: it is empty, too long, or has what cannot be seen.
    """
    is_seen = all(line.isprintable() for line in text.replace("\t", " ").splitlines())
    if not is_seen or text != text.strip() or not 0 < len(text) <= NOTES_CHARS_MAX:
        raise Unusable(
            f"notes are 1 to {NOTES_CHARS_MAX:,} printable characters in lines, without white space"
            " around them",
            field="notes",
        )


def check_new_name(text: str) -> None:
    """Check what something is to be called from now on.

    Raises:
        Unusable: as `check_name`, or it is how something removed is called.
    """
    check_name(text)
    if _REMOVED.fullmatch(text):
        raise Unusable(f"{text!r} is how something removed is called", field="name")


def removed_name(name: str, id: int) -> str:  # noqa: A002 (ours, as everywhere)
    """Spell what history calls something from its removal on: its name is free for another."""
    return f"{name} (removed #{id})"


def _check(text: str, *, what: str, chars_max: int) -> None:
    if not text.isprintable() or text != text.strip() or not 0 < len(text) <= chars_max:
        raise Unusable(
            f"{text!r} is no {what}: 1 to {chars_max} printable characters, without white space"
            " around them",
            field=FIELDS.get(what, what.replace(" ", "_")),
        )
