"""Months and days that a page is asked for, as `/relay/…` takes them; wrong ones are not asked."""

from datetime import date, timedelta

from relay.html.days import read_month_of
from relay.html.form import Form

DAYS_MAX = 366


def read_window(form: Form) -> dict[str, str]:
    """Read `month`, or `from` and `to`, which go before it; none is named where none is typed."""
    first, last = _day(form, "from"), _day(form, "to")
    if first is None and last is None:
        month = read_month_of(form, "month")
        return {} if month is None else {"month": str(month)}
    if first is None:
        if not form.errors.get("from"):
            form.errors["from"] = form.say("Say the first day, too.")
        return {}
    if last is None:
        return {"from": first.isoformat()}
    if last < first:
        form.errors["to"] = form.say("This day is before the first one.")
    elif last - first >= timedelta(days=DAYS_MAX):
        form.errors["to"] = form.say("At most %(days)s days at a time.", days=DAYS_MAX)
    return {"from": first.isoformat(), "to": last.isoformat()}


def _day(form: Form, name: str) -> date | None:
    given = form.text(name)
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
        if date.min.year < day.year < date.max.year:
            return day
    except ValueError:
        pass
    form.errors[name] = form.say("A day such as 2026-11-26.")
    return None
