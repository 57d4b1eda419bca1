"""Whether the database could be brought back, and from how long ago."""

from pathlib import Path

from relay.backups.read import LastBackups, old_after_s
from relay.desk.check.finding import Finding, bad, good, warning
from relay.moments import spelt_moment
from relay.settings import Settings

SUBJECT = "backups"
MAKE_ONE = "`relay backup --to PLACE` makes one now"
SEE = "see that `relay serve` or `relay worker` runs, and what its log says of `backup.failed`"


def check_backups(last: LastBackups, settings: Settings, directory: Path | None) -> Finding:
    """Judge the last one; `directory` has the database, None where it is not to be seen."""
    said = "there is none"
    if last.made_at is not None:
        said = f"the last one is of {spelt_moment(last.made_at)}, in {last.place}"
    if last.error is not None:
        said += f"; at {spelt_moment(last.failed_at)} one failed: {last.error}"
    if settings.backup_to is None:
        return _judge_by_hand(last, said)
    return _judge_scheduled(
        last,
        said,
        old_s=old_after_s(settings.backup_every_s),
        is_beside=_is_beside(settings.backup_to, directory),
    )


def _judge_by_hand(last: LastBackups, said: str) -> Finding:
    if last.age_s is not None and last.age_s < old_after_s(None):
        return good(SUBJECT, said)
    to_do = f"RELAY_BACKUP_TO has a worker make one a day, and {MAKE_ONE}"
    return warning(SUBJECT, f"{said}, and no schedule", to_do)


def _judge_scheduled(last: LastBackups, said: str, *, old_s: float, is_beside: bool) -> Finding:
    is_old = last.error is not None if last.age_s is None else last.age_s > old_s
    if is_old:
        return bad(SUBJECT, said, f"{SEE}; {MAKE_ONE}")
    if last.age_s is None:
        return warning(SUBJECT, f"{said} yet", f"{SEE}; {MAKE_ONE}")
    if last.error is not None:
        return warning(SUBJECT, said, SEE)
    if is_beside:
        to_do = "keep them on another machine, or in a bucket"
        return warning(SUBJECT, f"{said}, on the disk of the database", to_do)
    return good(SUBJECT, said)


def _is_beside(backup_to: str, directory: Path | None) -> bool:
    """Tell whether both are on one disk, as far as they are to be seen from here."""
    try:
        return (
            directory is not None
            and not backup_to.startswith("s3://")
            and Path(backup_to).stat().st_dev == directory.stat().st_dev
        )
    except OSError:
        return False
