"""Margin: Kling's deductions at purchase prices that hold from a moment on, to the micro."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from relay.channels.costs import Cost, CostUnit, list_costs
from relay.desk.channel_costs import set_channel_cost
from relay.months import Window, first_moment
from relay.usage.losses import Why, read_losses
from relay.usage.sums import Usage, UsageKey, read_usage
from tests.relay_app import ACTOR, Relay, running_relay
from tests.usage.business import make_business

ZONE = UTC
MONTH = Window(first_moment(date(2026, 10, 1), ZONE), first_moment(date(2026, 11, 1), ZONE))
BEGINNINGS = [MONTH.start + timedelta(days=day, microseconds=day) for day in (-3, 0, 9, 20)]
TELL = """
UPDATE tasks SET cost_units = $2, cost_pack = $3, cost_cash = $4, cost_currency = $5,
    quote = quote || '{"row": {"endpoint": "text2video", "units": "0.6"}, "unit_micros": "200000"}'
WHERE id = $1
"""


async def set_cost(
    relay: Relay, price: str, begins: datetime, *, unit: CostUnit = CostUnit.VIDEO, **of: Any
) -> None:
    cost = Cost(unit, Decimal(price), of.pop("currency", "USD"), **of)
    async with relay.sessions.begin() as session:
        await set_channel_cost(session, ACTOR, "main", cost, currency="USD", valid_from=begins)


async def read(relay: Relay, window: Window, *keys: UsageKey, **of: Any) -> list[Usage]:
    async with relay.sessions() as session:
        return await read_usage(session, keys, window, zone=ZONE, currency="USD", **of)


def bought(amount: Decimal | None, price: Fraction) -> int:
    """Half up, once, in whole numbers."""
    exact = Fraction(amount or 0) * price * 1_000_000
    return int((2 * exact + 1) // 2)


async def test_costs_are_those_of_the_rows_in_force(database_url: str) -> None:
    """300 tasks told in units of both packs, in money, in both, in another currency, as 0 and not
    at all, with four purchase prices: each task's cost is what Python makes of it in fractions,
    keys and random cuts add up to the whole, and what is not known is in no margin."""
    rng = random.Random(11)
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        for name in ("acme", "beta"):
            await relay.add_tenant(name, quota_micros=0)
        await make_business(relay, ("acme", "beta"), within=MONTH, edges=BEGINNINGS[1:], count=300)
        for row in await relay.rows("SELECT id FROM tasks"):
            units = rng.choice([None, Decimal(0), Decimal(rng.randrange(1, 10**8)) / 10**6])
            cash = rng.choice([None, None, Decimal(0), Decimal(rng.randrange(1, 10**7)) / 10**6])
            currency = rng.choice([None, "USD", "CNY"]) if cash else None
            pack = rng.choice([None, "video", "image", "audio"])
            await relay.rows(TELL, row["id"], units, pack, cash, currency)
        prices = await _set_costs(relay, rng)
        expected, unknown, uncharged = await _expected(relay, prices)
        by_task = await read(relay, MONTH, UsageKey.TASK)
        (whole,) = await read(relay, MONTH)
        cuts = [MONTH.start, *sorted(rng.choice(BEGINNINGS) for _ in range(2)), MONTH.until]
        cuts = sorted({max(one, MONTH.start) for one in cuts})

        seen = {one.keys["task"]: one for one in by_task}
        assert {key: one.cost_micros for key, one in seen.items() if one.cost_micros} == {
            key: value for key, value in expected.items() if value
        }
        assert {key for key, one in seen.items() if one.without_cost} == unknown
        assert {key for key, one in seen.items() if one.uncharged} == uncharged
        assert all(one.margin_micros == 0 for one in seen.values() if one.without_cost)
        assert [one.margin_micros for one in by_task] == sorted(
            one.margin_micros for one in by_task
        )
        for keys in ([UsageKey.TASK], [UsageKey.DAY, UsageKey.TENANT], [UsageKey.CHANNEL]):
            lines = await read(relay, MONTH, *keys)
            assert sum(one.margin_micros for one in lines) == whole.margin_micros
            assert sum(one.without_cost for one in lines) == whole.without_cost
        pieces = [
            one
            for start, until in pairwise(cuts)
            for one in await read(relay, Window(start, until))
        ]
        assert sum(one.margin_micros for one in pieces) == whole.margin_micros
        least = await read(relay, MONTH, UsageKey.TASK, limit=3)
        assert least == by_task[:3]

        await _entered_late(relay, whole)
        await _lost(relay, expected, uncharged)
        await _not_written_over(relay)


async def _set_costs(relay: Relay, rng: random.Random) -> dict[datetime, Fraction]:
    """Of video units in another currency four rows, of money one; by when they begin."""
    prices = {}
    for place, begins in enumerate(BEGINNINGS):
        spelt = f"0.{rng.randrange(10**9):09}{place}1"
        await set_cost(relay, spelt, begins, currency="CNY", rate=Decimal("7.123457"))
        prices[begins] = Fraction(Decimal(spelt)) / Fraction(Decimal("7.123457"))
    await set_cost(
        *(relay, "0.95", BEGINNINGS[2]),
        unit=CostUnit.CASH,
        currency="CNY",
        rate=Decimal(1),
        rate_per=Decimal("0.14"),
    )
    return prices


async def _expected(
    relay: Relay, prices: dict[datetime, Fraction]
) -> tuple[dict[int, int], set[int], set[int]]:
    """Say what tasks cost, which have no known cost, and which were never charged."""
    expected: dict[int, int] = {}
    unknown, uncharged = set(), set()
    for task in await relay.rows("SELECT * FROM tasks"):
        at, units, cash = task["ended_at"], task["cost_units"], task["cost_cash"]
        has_cash_price = at >= BEGINNINGS[2]
        is_taken = (units or 0) > 0 or (cash or 0) > 0
        is_strange = (cash or 0) > 0 and task["cost_currency"] == "CNY" and not has_cash_price
        if task["state"] != "succeed" and not is_taken:
            continue
        uncharged |= {task["id"]} if task["state"] != "succeed" else set()
        if not is_taken or is_strange:
            unknown.add(task["id"])
            continue
        price = prices[max(one for one in BEGINNINGS if one <= at)]
        if (task["cost_pack"] or task["pack"]) == "image":
            price = Fraction(140_000, 1_000_000)  # none was entered: the quote's list
        cash_price = Fraction(95 * 14, 10_000) if has_cash_price else Fraction(1)
        expected[task["id"]] = bought(units, price) + bought(cash, cash_price)
    return expected, unknown, uncharged


async def _entered_late(relay: Relay, whole: Usage) -> None:
    """A price for the past counts from when it was entered on; what was known before stays."""
    known = (await relay.row("SELECT clock_timestamp() AS now"))["now"]
    await set_cost(relay, "0.000001", BEGINNINGS[1])

    (now,) = await read(relay, MONTH)
    (then,) = await read(relay, MONTH, as_of=known)

    assert then == whole
    assert now.cost_micros < then.cost_micros
    async with relay.sessions() as session:
        rows = await list_costs(session)
    replaced = {row.id: row.replaced_by for row in rows if row.replaced_by}
    assert len(rows) == 6
    assert replaced == {2: 6}


async def _lost(relay: Relay, expected: dict[int, int], uncharged: set[int]) -> None:
    """By row and reason; each task that was charged less than its cost is in one line."""
    known = (await relay.row("SELECT created_at AS at FROM channel_costs WHERE id = 5"))["at"]
    charged = {
        row["id"]: (row["charged_micros"] or 0) - row["refunded_micros"]
        for row in await relay.rows("SELECT * FROM tasks")
    }
    refused = {
        row["id"] for row in await relay.rows("SELECT id FROM tasks WHERE state = 'refused'")
    }
    below = {
        key: cost - (charged[key] if key not in uncharged else 0)
        for key, cost in expected.items()
        if cost > (charged[key] if key not in uncharged else 0)
    }
    async with relay.sessions() as session:
        losses = await read_losses(session, MONTH, currency="USD", as_of=known)

    assert refused
    assert sum(one.tasks for one in losses) == len(below)
    assert sum(one.lost_micros for one in losses) == sum(below.values())
    assert {one.why for one in losses} == set(Why) - {Why.UNDERQUOTED} | {
        one.why for one in losses if one.why is Why.UNDERQUOTED
    }
    assert max(below.values()) == max(one.worst_micros for one in losses)
    assert {(one.row and one.row.units, one.sold_at_micros) for one in losses} == {
        (Decimal("0.6"), Decimal(200_000))
    }


async def _not_written_over(relay: Relay) -> None:
    """A trigger refuses it; the same again is no row."""
    before = await relay.rows("SELECT * FROM channel_costs")
    await set_cost(relay, "0.000001", BEGINNINGS[1])
    for statement in ("DELETE FROM channel_costs", "UPDATE channel_costs SET price = 1"):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            await relay.rows(statement)

    assert await relay.rows("SELECT * FROM channel_costs") == before
