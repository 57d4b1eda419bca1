"""Whether there is room for what is written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from relay.cli.check.finding import Finding, bad, good, warning

SUBJECT = "disk"
GIGABYTE = 1024**3
BAD_BELOW, WARNING_BELOW = GIGABYTE // 2, 5 * GIGABYTE
"""Bytes; Postgres stops where there are none, and stays stopped until there are some."""
PERCENT_MIN = 10


def check_disk(directory: Path | None, *, database_bytes: int) -> Iterator[Finding]:
    """Say how full the disk of the database is; `directory` is None where it is not here."""
    size = f"the database has {_spelt(database_bytes)}"
    if directory is None:
        yield good(SUBJECT, f"{size}; its disk is not to be seen from here")
        return
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        yield good(SUBJECT, f"{size}; {directory} is not to be seen by this user")
        return
    yield judge_disk(usage.total, usage.free, where=f"{directory}; {size}")


def judge_disk(total: int, free: int, *, where: str) -> Finding:
    said = f"{_spelt(free)} free of {_spelt(total)} at {where}"
    if free < BAD_BELOW:
        return bad(SUBJECT, said, "make room at once: without any, Postgres stops")
    if free < WARNING_BELOW and free * 100 < total * PERCENT_MIN:
        return warning(SUBJECT, said, "make room, or lower RELAY_KEEP_RAW_DAYS")
    return good(SUBJECT, said)


def _spelt(size: int) -> str:
    if size >= GIGABYTE:
        return f"{size / GIGABYTE:.1f} GB"
    return f"{size / 1024**2:.0f} MB"
