"""Days that are kept summed up: what is read with them is what is read without, to the micro."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from relay.channels.costs import Cost, CostUnit
from relay.desk.channel_costs import set_channel_cost
from relay.desk.tokens import issue_token
from relay.months import Window, first_moment, read_zone
from relay.usage.audit import RULE
from relay.usage.rolled import Rolled
from relay.usage.sums import UsageKey, read_dearest, read_tables, read_usage
from tests.relay_app import ACTOR, Relay, running_relay
from tests.usage.business import make_business
from tests.usage.keeping import held, read, read_both, read_charges_both, roll_all

ZONE = read_zone("Asia/Shanghai")
DAYS = 9
SAID = "UPDATE tasks SET cost_units = $2, cost_pack = $3, cost_cash = $4 WHERE id = $1"
KEYS = [key for key in UsageKey if key is not UsageKey.TASK]
LATE_SUCCESS = """
WITH ended AS (
    UPDATE tasks SET state = 'succeed', charged_micros = 7, hold_ended_at = now(), ended_at = now(),
        cost_units = 1
    WHERE id = (SELECT max(id) FROM tasks WHERE state = 'failed' AND created_at < $1)
    RETURNING id, account_id, created_at
), entered AS (
    INSERT INTO entries (account_id, kind, amount_micros, task_id)
    SELECT account_id, 'charge', -7, id FROM ended
)
SELECT created_at AS at FROM ended
"""
LATE_REFUND = """
INSERT INTO entries (account_id, kind, amount_micros, task_id, reason)
SELECT account_id, 'refund', 1, id, 'late' FROM tasks WHERE state = 'succeed' ORDER BY id LIMIT 1
"""
ENTERED_BY_HAND = """
INSERT INTO entries (account_id, kind, amount_micros, task_id, reason, created_at)
SELECT account_id, 'refund', 3, id, 'by hand', $1 FROM tasks WHERE state = 'succeed' LIMIT 1
"""
OTHER_COST = """
UPDATE tasks SET cost_units = cost_units + 1
WHERE id = (SELECT id FROM tasks WHERE state = 'succeed' AND cost_units > 0
            AND created_at < $1 ORDER BY id DESC LIMIT 1)
RETURNING created_at AS at, (SELECT created_at FROM entries e WHERE e.task_id = tasks.id
                             AND kind = 'charge') AS charged_at
"""


async def set_price(relay: Relay, price: str, begins: datetime) -> None:
    cost = Cost(CostUnit.VIDEO, Decimal(price), "USD")
    async with relay.sessions.begin() as session:
        await set_channel_cost(session, ACTOR, "main", cost, currency="USD", valid_from=begins)


async def make_story(relay: Relay, within: Window, edges: list[datetime]) -> None:
    """A tenant with a sub-tenant, another one, and a token for tests; costs of every kind."""
    rng = random.Random(23)
    await relay.add_channel()
    for name in ("acme", "beta", "acme-eu"):
        await relay.add_tenant(name, quota_micros=1)
    await relay.rows(
        "UPDATE tenants s SET parent_id = p.id, account_id = p.account_id, resale = 1.3"
        " FROM tenants p WHERE p.name = 'acme' AND s.name = 'acme/eu'"
    )
    async with relay.sessions.begin() as session:
        await issue_token(session, ACTOR, "acme", relay.keys, is_test=True)
    await make_business(relay, ("acme", "beta", "acme-eu"), within=within, edges=edges, count=250)
    await relay.rows(
        'UPDATE tasks SET quote = quote || \'{"resale": "1.3"}\''
        " WHERE tenant_id = (SELECT id FROM tenants WHERE name = 'acme/eu')"
    )
    await relay.rows(
        "UPDATE tasks t SET token_id = k.id FROM tokens k"
        " WHERE k.is_test AND k.tenant_id = t.tenant_id AND t.id % 7 = 0"
    )
    for row in await relay.rows("SELECT id FROM tasks"):
        units = rng.choice([None, Decimal(0), Decimal(rng.randrange(1, 10**8)) / 10**6])
        cash = rng.choice([None, None, Decimal(rng.randrange(1, 10**7)) / 10**6])
        await relay.rows(SAID, row["id"], units, rng.choice([None, "video", "image"]), cash)
    await set_price(relay, "0.123457", within.start + timedelta(days=3))


async def check(relay: Relay, window: Window, rng: random.Random, *, filters_max: int = 3) -> None:
    """With and without what is kept: some keys, some filters, whole days and cut ones."""
    ids = {row["name"]: row["id"] for row in await relay.rows("SELECT id, name FROM tenants")}
    (token,) = await relay.rows("SELECT id FROM tokens WHERE tenant_id = $1", ids["beta"])
    filters: list[dict[str, Any]] = [
        *({}, {}, {"tenant_id": ids["acme"]}, {"tenant_id": ids["acme-eu"]}, {"channel_id": 1}),
        *({"token_id": token["id"]}, {"model": "kling-v3"}),
    ]
    for of in rng.sample(filters, k=min(filters_max, len(filters))):
        keys = rng.sample(KEYS, k=rng.randrange(4))
        cut = window
        if rng.random() < 0.5:
            cut = Window(window.start + timedelta(hours=rng.randrange(30)), window.until)
        kept, raw = await read_both(relay, keys, cut, ZONE, **of)
        assert kept == raw, (keys, of, cut)
        assert kept
        for tenant in ("acme", "beta"):
            charges, raw_charges = await read_charges_both(relay, tenant, cut, ZONE)
            assert charges == raw_charges, (tenant, cut)
            assert charges
    tables = [[UsageKey.DAY], [UsageKey.ENDPOINT, UsageKey.MODEL], [UsageKey.TOKEN], []]
    async with relay.sessions() as session:
        of = {"zone": ZONE, "currency": "USD", "tenant_id": ids["acme"]}
        together = await read_tables(session, tables, window, **of)
        assert together == [await read_usage(session, one, window, **of) for one in tables]


def is_day(one: Rolled) -> bool:
    return one.window.until - one.window.start > timedelta(hours=1)


def is_in(at: datetime, window: Window) -> bool:
    return window.start <= at < window.until


async def test_what_is_kept_is_what_would_be_summed_up(database_url: str) -> None:
    """250 tasks of nine days: before a day is kept, with all of them kept, and after each change
    of what is over, which leaves out just the days that it is in; a new time zone has no day."""
    rng = random.Random(5)
    now = datetime.now(UTC)
    today = now.astimezone(ZONE).date()
    starts = [first_moment(today - timedelta(days=ago), ZONE) for ago in range(DAYS, 0, -1)]
    # What ended in the last hours is of a day that is not kept yet.
    window = Window(starts[0], first_moment(today + timedelta(days=1), ZONE))
    over = [one for one in starts if one + timedelta(hours=26) < now]
    async with running_relay(database_url) as relay:
        await make_story(relay, Window(starts[0], now), starts)
        await check(relay, window, rng, filters_max=2)

        days = await roll_all(relay, window, ZONE)

        assert {one.window.start for one in days} >= set(over)
        assert not await relay.rows("SELECT FROM rolled_marks WHERE at < $1", over[-1])
        await check(relay, window, rng, filters_max=8)

        async def stale(statement: str, *values: object) -> set[datetime]:
            """Which days no longer hold once it is done; what is read is right all the same."""
            before = {one.window for one in await roll_all(relay, window, ZONE)}
            rows = await relay.rows(statement, *values)
            gone = before - {one.window for one in await held(relay, window, ZONE)}
            await check(relay, window, rng)
            named = [at for row in rows for at in row.values() if at]
            assert gone >= {one for one in before for at in named if is_in(at, one)}, statement
            return {one.start for one in gone}

        old = over[-2]
        assert await stale(LATE_REFUND) == set()  # of today, and of no day that is over
        assert len(await stale(LATE_SUCCESS, old)) == 1
        assert 1 <= len(await stale(OTHER_COST, old)) <= 3
        assert await stale(ENTERED_BY_HAND, over[2] + timedelta(hours=1)) >= {over[2]}
        renamed = "UPDATE tasks SET model = 'other' WHERE id = (SELECT min(id) FROM tasks)"
        assert await stale(f"{renamed} RETURNING created_at AS at")
        gone = "DELETE FROM tasks WHERE id = (SELECT max(id) FROM tasks WHERE state = 'refused'"
        assert len(await stale(f"{gone} AND refunded_micros = 0 AND created_at < $1)", old)) == 1
        flagged = "UPDATE tasks SET is_flagged = true, refresh_at = now(), refunded_micros = 0"
        assert await stale(f"{flagged} WHERE state <> 'succeed'") == set()

        before = await roll_all(relay, window, ZONE)
        await relay.rows("UPDATE rolled_days SET form = 1")  # as the version before rolls them
        assert await held(relay, window, ZONE) == []
        await relay.rows("UPDATE rolled_days SET rolled_at = now() - interval '1 hour'")
        assert len(await roll_all(relay, window, ZONE)) == len(before)
        await _prices_of_the_past(relay, window, over)
        await _another_zone(relay, window)
        await _told_by_an_audit(relay, window)


async def _prices_of_the_past(relay: Relay, window: Window, over: list[datetime]) -> None:
    """One from now on changes nothing; one of a past day all days from then on."""
    before = {one.window.start for one in await roll_all(relay, window, ZONE)}
    known = datetime.now(UTC)
    await set_price(relay, "0.9", datetime.now(UTC) + timedelta(hours=1))
    assert {one.window.start for one in await held(relay, window, ZONE)} == before
    await set_price(relay, "0.77", over[-2])

    after = {one.window.start for one in await held(relay, window, ZONE)}

    assert not after & set(over[-2:])
    for as_of in (None, known, over[0]):
        kept, raw = await read_both(relay, [UsageKey.TENANT], window, ZONE, as_of=as_of)
        assert kept == raw
    await roll_all(relay, window, ZONE)
    kept, raw = await read_both(relay, [UsageKey.MONTH], window, ZONE)
    assert kept == raw
    by_tenant = await read(relay, [UsageKey.TENANT], window, ZONE)
    async with relay.sessions() as session:
        dearest = await read_dearest(session, window, count=2, zone=ZONE, currency="USD")
    assert len(dearest) == 2
    assert dearest == by_tenant[:2]
    then, raw = await read_both(relay, [UsageKey.MONTH], window, ZONE, as_of=known)
    assert then == raw
    assert then != kept


async def _another_zone(relay: Relay, window: Window) -> None:
    """Its days are others: none is kept, and those of before go as these are rolled. Most zones
    have the same hours."""
    zone = read_zone("America/New_York")
    assert not [one for one in await held(relay, window, zone) if is_day(one)]
    kept, raw = await read_both(relay, [UsageKey.DAY], window, zone)
    assert kept == raw

    assert await roll_all(relay, window, zone)
    kept, raw = await read_both(relay, [UsageKey.DAY], window, zone)
    assert kept == raw
    assert len([one for one in await held(relay, window, ZONE) if is_day(one)]) <= 2  # at the ends
    kept, raw = await read_both(relay, [UsageKey.DAY], window, ZONE)
    assert kept == raw


async def _told_by_an_audit(relay: Relay, window: Window) -> None:
    """A figure that is a micro off is named, of its tenant and of all; nobody makes a test key of
    one that is none."""
    await roll_all(relay, window, ZONE)
    assert [one for one in (await relay.audit()).differences if one.rule == RULE] == []
    await relay.rows("DELETE FROM rolled_days WHERE id NOT IN (SELECT day_id FROM rolled_usage)")
    await relay.rows("DELETE FROM rolled_days WHERE id <> (SELECT max(id) FROM rolled_days)")
    await relay.rows("UPDATE rolled_usage SET charged_micros = charged_micros + 1 WHERE line = 1")
    await relay.rows("UPDATE rolled_usage SET charge_micros = charge_micros + 1 WHERE line = 1")
    await relay.rows("UPDATE rolled_whole SET tasks = tasks + 1 WHERE line = 1")

    found = [one for one in (await relay.audit()).differences if one.rule == RULE]

    assert len(found) == 3
    assert "charged_micros of " in found[0].row
    assert "charge_micros of " in found[1].row
    assert "all tenants: tasks of " in found[2].row
    assert [(one.actual or 0) - (one.expected or 0) for one in found] == [1, 1, 1]
    with pytest.raises(asyncpg.RaiseError, match="issue another one"):
        await relay.rows("UPDATE tokens SET is_test = NOT is_test")
