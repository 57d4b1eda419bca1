"""Hours of days that are not over: what is read with them is what is read without, too."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from relay.months import Window, first_moment, read_zone
from relay.usage.roll import AGAIN_AFTER, draw_number, find_due, roll_day
from relay.usage.rolled import Rolled, hours_of, in_few_runs, window_of_day
from relay.usage.sums import UsageKey
from tests.relay_app import Relay, running_relay
from tests.usage.business import make_business
from tests.usage.keeping import held, read_both

ZONE = read_zone("Asia/Kolkata")
"""Its hours begin at half past those of UTC."""
HOUR = timedelta(hours=1)
RENAME = """
UPDATE tasks SET model = 'other' WHERE id = (
    SELECT max(id) FROM tasks WHERE created_at >= $1 AND created_at < $2
)
"""


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", date(2026, 11, 27), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25),  # half an hour more
        ("Australia/Lord_Howe", date(2026, 10, 4), 24),  # half an hour less
    ],
)
def test_a_day_is_cut_into_hours_without_a_gap(zone: str, day: date, hours: int) -> None:
    whole = window_of_day(day, read_zone(zone))

    cut = hours_of(whole)

    assert len(cut) == hours
    assert (cut[0].start, cut[-1].until) == whole
    assert all(one.until == after.start for one, after in pairwise(cut))
    assert {one.until - one.start for one in cut[:-1]} == {HOUR}
    assert timedelta(0) < cut[-1].until - cut[-1].start <= HOUR


def test_a_few_days_are_kept_before_many_hours() -> None:
    """Runs are told by how long they are: of six, one of three days is not the one left out."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    days = [Window(start + n * 24 * HOUR, start + (n + 1) * 24 * HOUR) for n in range(3)]
    hours = [
        Window(start + n * HOUR, start + (n + 1) * HOUR)
        for n in range(80, 130)
        if n % 10  # five runs of nine
    ]
    rolled = [Rolled(number, window) for number, window in enumerate([*days, *hours])]

    chosen = {one.window for one in in_few_runs(rolled)}

    assert chosen >= set(days)
    assert len(chosen) == 3 + 4 * 9


async def due(relay: Relay, now: datetime) -> list[Window]:
    async with relay.sessions() as session:
        return await find_due(session, now=now, zone=ZONE, currency="USD", limit=100)


async def roll(relay: Relay, window: Window) -> None:
    async with relay.sessions.begin() as session:
        number = await draw_number(session)
    async with relay.sessions.begin() as session:
        assert await roll_day(session, window, currency="USD", number=number)


async def is_right(relay: Relay, window: Window) -> bool:
    """By day and by what a tenant made, of all of it and of what ends within an hour."""
    cut = Window(window.start, window.until - timedelta(hours=9, minutes=20))
    for of in (window, cut):
        for keys in ([UsageKey.DAY], [UsageKey.TENANT, UsageKey.MODEL], []):
            kept, raw = await read_both(relay, keys, of, ZONE)
            if kept != raw or not kept:
                return False
    return True


async def test_hours_of_today_are_kept_until_the_day_is(database_url: str) -> None:
    """At 15:30 thirteen hours of the day are, and the two days before; an hour that is changed is
    read as its tasks are, and left for five minutes; the day takes its hours away."""
    today = datetime.now(ZONE).date() - timedelta(days=3)
    days = [window_of_day(today - timedelta(days=ago), ZONE) for ago in (2, 1, 0)]
    now = first_moment(today, ZONE) + timedelta(hours=15, minutes=30)
    edges = [hour.start for hour in hours_of(days[2])[:15]]
    window = Window(days[0].start, days[2].until)
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        for name in ("acme", "beta"):
            await relay.add_tenant(name, quota_micros=1)
        within = Window(days[0].start, now)
        await make_business(relay, ("acme", "beta"), within=within, edges=edges, count=150)
        hours = hours_of(days[2])[:13]

        found = await due(relay, now)
        assert found == [*reversed(hours), days[1], days[0]]
        for one in found:
            await roll(relay, one)

        assert [one.window for one in await held(relay, window, ZONE)] == [*days[:2], *hours]
        assert await is_right(relay, window)
        assert await due(relay, now) == []
        assert await due(relay, now + HOUR) == [hours_of(days[2])[13]]

        changed = hours[5]
        await relay.rows(RENAME, *changed)
        assert {one.window for one in await held(relay, window, ZONE)} == {*days[:2], *hours} - {
            changed
        }
        assert await is_right(relay, window)
        assert await due(relay, now) == []
        await relay.rows("UPDATE rolled_days SET rolled_at = $1", now - AGAIN_AFTER)
        assert await due(relay, now) == [changed]

        assert await due(relay, days[2].until + 2 * HOUR) == [days[2]]
        await roll(relay, days[2])
        assert [one.window for one in await held(relay, window, ZONE)] == days
        assert await is_right(relay, window)
