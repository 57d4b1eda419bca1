"""Days and months that are typed into a filter."""

from datetime import UTC, date, datetime, timedelta, tzinfo

from relay.html.form import Form
from relay.months import Month, first_moment, read_month


def read_day(form: Form, name: str, zone: tzinfo, *, is_end: bool = False) -> datetime | None:
    """Read a day as its first moment; `is_end`: as the first one behind it."""
    given = form.text(name)
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
        return first_moment(day + timedelta(days=1) if is_end else day, zone)
    except (ValueError, OverflowError):
        form.errors[name] = form.say("A day such as 2026-11-26.")
        return None


def read_moment(form: Form, name: str, zone: tzinfo) -> datetime | None:
    """Read a moment by the clock of a zone; a day is its first one."""
    given = form.text(name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        form.errors[name] = form.say("A moment such as 2026-12-24 19:00.")
        return None


def spelt_moment(moment: datetime, zone: tzinfo) -> str:
    """Spell a moment so that `read_moment` reads the same: as browsers do, where they can say it.

    They have no seconds, and know no hour that comes twice.
    """
    local = moment.astimezone(zone)
    plain = local.replace(tzinfo=None)
    is_whole = not (local.second or local.microsecond)
    if is_whole and plain.replace(tzinfo=zone).astimezone(UTC) == moment.astimezone(UTC):
        return plain.isoformat(timespec="minutes")
    return local.isoformat()


def read_month_of(form: Form, name: str) -> Month | None:
    """Read a month, as browsers that have a field for it send it; None where none is."""
    given = form.text(name)
    if given is None:
        return None
    try:
        return read_month(given)
    except ValueError:
        form.errors[name] = form.say("A month such as 2026-11.")
        return None
