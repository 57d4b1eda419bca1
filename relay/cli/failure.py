"""Failures that a person can read: one sentence and an exit code, no traceback."""

from collections.abc import Iterable


class Failure(Exception):
    """Refused or failed: the named thing does not exist, the audit found differences."""

    exit_code = 1


class WrongSettings(Failure):
    """A setting is missing or cannot be used."""

    exit_code = 2


class DatabaseBehind(Failure):
    """The database's schema is not this version's."""

    exit_code = 3


def reason(error: OSError) -> str:
    """Say what the system refused, without what asyncio adds to it."""
    return (error.strerror or str(error)).partition(" (")[0]


def no_such(kind: str, name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Say that a name is not known, with what may have been meant; `otherwise` if nothing is."""
    from difflib import get_close_matches

    names = list(known)
    removed = [one for one in names if one.startswith(f"{name} (removed ")]
    close = removed or get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(repr(match) for match in close)}?" if close else otherwise
    return f"there is no {kind} '{name}'; {hint}"
