"""Whether there is room for what is written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from relay.database.space import BAD_BELOW, is_low, spell_bytes
from relay.desk.check.finding import Finding, bad, good, warning

SUBJECT = "disk"


def check_disk(directory: Path | None, *, database_bytes: int) -> Iterator[Finding]:
    """Say how full the disk of the database is; `directory` is None where it is not here."""
    size = f"the database has {spell_bytes(database_bytes)}"
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
    said = f"{spell_bytes(free)} free of {spell_bytes(total)} at {where}"
    if free < BAD_BELOW:
        return bad(SUBJECT, said, "make room at once: without any, Postgres stops")
    if is_low(total, free):
        return warning(SUBJECT, said, "make room, or lower RELAY_KEEP_RAW_DAYS")
    return good(SUBJECT, said)
