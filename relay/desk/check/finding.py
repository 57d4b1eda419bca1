"""What one check found."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How it stands; in this order."""

    GOOD = "good"
    """As it should be."""
    WARNING = "warning"
    """It works, and will surprise somebody; or it could not be looked at."""
    BAD = "bad"
    """Something does not work, or money is at risk."""


class Finding(msgspec.Struct, frozen=True):
    """One line of the table."""

    subject: str
    level: Level
    said: str
    to_do: str = ""
    """A sentence; empty where nothing is to be done."""


def good(subject: str, said: str) -> Finding:
    return Finding(subject, Level.GOOD, said)


def warning(subject: str, said: str, to_do: str = "") -> Finding:
    return Finding(subject, Level.WARNING, said, to_do)


def bad(subject: str, said: str, to_do: str) -> Finding:
    return Finding(subject, Level.BAD, said, to_do)
