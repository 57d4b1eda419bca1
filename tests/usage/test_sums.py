"""Usage: windows lose and double nothing, whatever the moments and the keys."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from relay.months import Month, Window, days_of, first_moment, month_of, read_month, read_zone
from relay.usage.raw import FIGURES
from relay.usage.sums import Usage, UsageKey, read_usage
from tests.relay_app import Relay, running_relay
from tests.usage.business import Made, make_business

ZONE = read_zone("Europe/Berlin")
"""Its clocks are set on 25 October 2026: that day has 25 hours."""
YEAR = Window(
    first_moment(date(2026, 9, 20), ZONE),
    first_moment(date(2026, 12, 10), ZONE),
)
EDGES = [
    first_moment(day, ZONE)
    for day in (date(2026, 10, 1), date(2026, 10, 25), date(2026, 10, 26), date(2026, 11, 1))
]
KEYS = [key for key in UsageKey if key is not UsageKey.TASK]


async def read(relay: Relay, window: Window, *keys: UsageKey) -> list[Usage]:
    async with relay.sessions() as session:
        return await read_usage(session, keys, window, zone=ZONE, currency="USD")


def by_keys(rows: list[Usage]) -> Counter[tuple[Any, ...]]:
    """Every figure under its keys; a figure of 0 is no figure."""
    figures: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        for name in FIGURES:
            figures[*row.keys.values(), name] += getattr(row, name)
    return Counter({key: value for key, value in figures.items() if value})


def expected(made: list[Made], window: Window) -> Counter[tuple[Any, ...]]:
    """The same by tenant and month, from what was written and without SQL."""
    figures: Counter[tuple[Any, ...]] = Counter()

    def add(at: datetime, tenant: str, **values: int) -> None:
        if window.start <= at < window.until:
            for name, value in values.items():
                figures[str(month_of(at, ZONE)), tenant, name] += value
            # Neither is below another tenant.
            figures[str(month_of(at, ZONE)), tenant, "resold_micros"] += values.get(
                "charged_micros", 0
            )

    for one in made:
        if one.state == "refused":
            add(one.created_at, one.tenant, refused=1)
        else:
            ended = "succeeded" if one.state == "succeed" else "failed"
            add(one.created_at, one.tenant, tasks=1, **{ended: 1})
        if one.state == "succeed":
            made_of_it = {"images": 2} if one.is_image else {"seconds": 5}
            add(one.charged_at, one.tenant, **made_of_it, cost_micros=one.cost_micros)
            add(one.charged_at, one.tenant, charged_micros=one.charge_micros, charges=1, at_list=1)
        add(one.refunded_at, one.tenant, charged_micros=-one.refund_micros)
    return Counter({key: value for key, value in figures.items() if value})


async def test_windows_lose_and_double_nothing(database_url: str) -> None:
    """400 tasks, half of whose moments are at an edge; random windows are cut at random moments,
    and their pieces come to the whole, by any keys. Months are what was written, to the micro."""
    rng = random.Random(7)
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        for name in ("acme", "beta"):
            await relay.add_tenant(name, quota_micros=0)
        made = await make_business(relay, ("acme", "beta"), within=YEAR, edges=EDGES, count=400)

        def moment() -> datetime:
            if rng.random() < 0.4:
                return rng.choice(EDGES)
            return YEAR.start + rng.random() * (YEAR.until - YEAR.start)

        for _ in range(25):
            keys = rng.sample(KEYS, k=rng.randrange(4))
            cuts = sorted(moment() for _ in range(rng.randrange(2, 5)))
            whole = by_keys(await read(relay, Window(cuts[0], cuts[-1]), *keys))
            pieces: Counter[tuple[Any, ...]] = Counter()
            for start, until in pairwise(cuts):
                pieces.update(by_keys(await read(relay, Window(start, until), *keys)))
            assert pieces == whole, (keys, cuts)

        months = await read(relay, YEAR, UsageKey.MONTH, UsageKey.TENANT)
        assert by_keys(months) == expected(made, YEAR)
        assert sum(1 for one in made if one.created_at in EDGES) > 20
        october = Month(2026, 10).window(ZONE)
        days = await read(relay, october, UsageKey.DAY, UsageKey.TENANT)
        summed: Counter[tuple[Any, ...]] = Counter()
        for key, value in by_keys(days).items():
            summed["2026-10", *key[1:]] += value
        assert summed == expected(made, october)


def test_days_and_months_touch_where_clocks_are_set() -> None:
    """Each day ends where the next begins; October 2026 has 745 hours in Berlin, 744 in UTC."""
    october = read_month("2026-10")
    window = october.window(ZONE)

    days = list(days_of(window, ZONE))

    assert len(days) == 31
    assert window.start == first_moment(days[0], ZONE)
    assert window.until == october.next.window(ZONE).start
    assert window.until - window.start == timedelta(hours=745)
    assert october.window(UTC).until - october.window(UTC).start == timedelta(hours=744)
    assert (Month(2026, 12).next, Month(2026, 1).previous) == (Month(2027, 1), Month(2025, 12))
    assert month_of(window.until, ZONE) == october.next
    assert month_of(window.until - timedelta(microseconds=1), ZONE) == october
