"""A price of a whole chain, divided among its steps: in full for all of it, in part for a part."""

import asyncio
from decimal import Decimal
from typing import Any

from relay.desk.prices import set_price
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.runs.shares import share
from relay.tenants.tokens import IssuedToken
from tests.limits.limiting import sub_tenant
from tests.relay_app import ACTOR, Relay, bearer
from tests.studio.asking import PICTURE, ended, make, seen
from tests.waiting import wait_until

PATH, KIND = "koubo/product-showcase", "product_showcase"
BODY = {"image": PICTURE, "prompt": "on a beach {image}"}
QUOTA, PRICE = 10_000_000, 300_000


async def _price(studio: Relay, micros: int, *tenants: str) -> None:
    async with studio.sessions.begin() as session:
        for tenant in tenants:
            row = PriceRow(KIND, PriceKind.FIXED, Per.TASK, amount_micros=micros)
            await set_price(session, ACTOR, row, tenant=tenant)
    studio.read_anew()


async def _steps(studio: Relay, token: IssuedToken) -> list[Decimal]:
    answer = await make(studio, token, f"{PATH}/quote", BODY)
    assert answer.status_code == 200, answer.text
    return [Decimal(step["price"]) for step in answer.json()["steps"]]


async def _charges(studio: Relay, tenant: str) -> list[int]:
    rows = await studio.rows(
        "SELECT -amount_micros AS micros FROM entries e JOIN tenants t ON t.account_id ="
        " e.account_id WHERE t.name = $1 AND e.kind <> 'topup' ORDER BY e.id",
        tenant,
    )
    return [row["micros"] for row in rows]


async def test_a_chain_with_a_price_costs_it_as_a_whole_and_its_own_part_in_part(
    studio: Relay,
) -> None:
    """A scene costs its own price where all costs more, and less where all costs less."""
    await studio.add_tenant("resold")
    token = await studio.add_tenant("shares")
    sub = await sub_tenant(studio, "eu", "1.5", parent="resold")
    own = await _steps(studio, token)

    for micros in (5_000_000, 100_001):
        await _price(studio, micros, "shares", "resold")
        parts = await _steps(studio, token)
        assert sum(parts) == Decimal(micros) / 1_000_000
        factor = min(Decimal(1), Decimal(micros) / 1_000_000 / sum(own))
        for part, cost in zip(parts[:-1], own[:-1], strict=True):
            assert 0 <= cost * factor - part < Decimal("0.000001")
        made = (await make(studio, token, PATH, BODY)).json()
        run = await ended(studio, token, made["task_id"])
        assert (run["status"], Decimal(run["charged"])) == ("completed", sum(parts))
        assert (await _charges(studio, "shares"))[-3:] == [int(one * 1_000_000) for one in parts]

    dear = await _steps(studio, sub)
    assert abs(sum(dear) - Decimal("0.1500015")) < Decimal("0.000003")
    assert (await studio.audit()).ok


async def test_who_stops_on_the_way_pays_for_what_was_made(studio: Relay) -> None:
    """Of ten that run at once each is charged its price, or the shares of what it made: those that
    are cancelled by their tenant after a step too."""
    token = await studio.add_tenant("stops")
    await _price(studio, PRICE, "stops")
    parts = [int(one * 1_000_000) for one in await _steps(studio, token)]
    assert all(parts)

    async def run(number: int) -> Any:
        task_id = (await make(studio, token, PATH, BODY)).json()["task_id"]
        if number % 2:
            await wait_until(lambda: _has_a_step_done(studio, token, task_id))
            url = f"/api/kling/ai-task/{task_id}/cancel"
            await studio.client.post(url, headers=bearer(token))
        return await ended(studio, token, task_id)

    runs = await asyncio.gather(*(run(number) for number in range(10)))

    for one in runs:
        steps = zip(parts, one["steps"], strict=True)
        made = sum(part for part, step in steps if step["state"] == "done")
        assert int(Decimal(one["charged"]) * 1_000_000) == made > 0
        assert (made == PRICE) == (one["status"] == "completed")
    assert any(one["status"] == "cancelled" for one in runs)
    charged = sum(int(Decimal(one["charged"]) * 1_000_000) for one in runs)
    assert await studio.account("stops") == (QUOTA - charged, 0)
    assert (await studio.audit()).ok


async def _has_a_step_done(studio: Relay, token: IssuedToken, task_id: str) -> bool:
    steps = (await seen(studio, token, task_id))["steps"]
    return any(step["state"] == "done" for step in steps)


def test_shares_come_to_the_whole_to_the_micro() -> None:
    assert share([30, 70], [0, 200]) == [30, 170]
    assert share([30, 70], [0, 50]) == [15, 35]
    assert share([3, 3, 3], [0, 0, 8]) == [2, 2, 4]
    assert share([10, 5, 5], [0, 100, 100]) == [10, 95, 95]
    assert share([10, 5, 0], [0, 7, 8]) == [10, 2, 3]
    assert share([0, 0], [0, 9]) == [0, 9]
    assert share([0, 9], [0, 0]) == [0, 0]
