"""What tasks would have cost: reckoned anew they come to what they were charged, to the micro."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from relay.kling.catalogue import Catalogue
from relay.kling.transport import Reply
from relay.months import Window
from relay.pricing.book import Multiplier, Per, PriceKind, PriceRow
from relay.pricing.edit import set_multiplier, set_price
from relay.pricing.in_force import Prices, read_prices
from relay.pricing.lists import read_adopted
from relay.pricing.prices import read_multipliers, read_rows
from relay.tasks.simulate import LOCK, Simulated, SimulationRunning, simulate
from tests.ledger.books import audit_books
from tests.relay_app import CLIP, Relay, bearer, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling, success

DAY = timedelta(days=1)
MOTION = {
    "model_name": "kling-v2-6",
    "image_url": "https://a.test/a.png",
    "video_url": "https://a.test/a.mp4",
    "character_orientation": "video",
    "mode": "std",
}
COSTS: dict[str, dict[str, Any]] = {
    "clip": {"final_unit_deduction": "2.5"},
    "billed": {"billing": [{"charge_type": "unit", "package_type": "video", "amount": "1.234567"}]},
    "free": {"final_unit_deduction": "0"},
    "cash": {"final_balance_deduction": {"quota": "0.2", "list_price": "0.2"}},
    "dear": {"final_unit_deduction": "99"},
    "long": {"final_unit_deduction": "3"},
}
"""By what stands in a prompt: what Kling says at the end."""


def lately() -> Window:
    """Of two days, in whose midst the test is."""
    return Window(datetime.now(UTC) - DAY, datetime.now(UTC) + DAY)


@asynccontextmanager
async def sold_in(database_url: str) -> AsyncIterator[Relay]:
    """Two tenants with tasks of each way to settle, by two prices, some failed, some of tests."""
    asked: dict[str, str] = {}

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            said = str(call.body)
            kind = next((word for word in (*COSTS, "fails") if f"a {word}" in said), "long")
            asked[f"k{len(asked)}"] = kind
            return success({"task_id": f"k{len(asked) - 1}", "task_status": "submitted"})
        key = call.key
        if asked[key] == "fails":
            return success({"task_id": key, "task_status": "failed"})
        videos = [{"id": "v", "url": "https://a.test/v.mp4", "duration": "3.6"}]
        return success(
            {
                "task_id": key,
                "task_status": "succeed",
                "task_result": {"videos": videos},
                **COSTS[asked[key]],
            }
        )

    async with running_relay(database_url, transport=ScriptedKling(answer), refresh_s=0) as relay:
        await relay.add_channel()
        acme, beta = await relay.add_tenant(), await relay.add_tenant("beta")
        async with relay.sessions.begin() as session:
            await set_price(
                session,
                PriceRow(
                    "motion-control",
                    kind=PriceKind.FIXED,
                    amount_micros=100_001,
                    tenant_id=2,
                ),
            )
            await set_multiplier(session, Multiplier(Decimal("1.234567"), tenant_id=2))
        relay.read_anew()
        for token in (acme, beta):
            for kind in (*list(COSTS)[:-1], "clip", "fails"):
                await relay.submit(token, {**CLIP, "prompt": f"a {kind}"})
            await relay.client.post("/v1/videos/motion-control", json=MOTION, headers=bearer(token))
        async with relay.sessions.begin() as session:
            await set_price(
                session,
                PriceRow(
                    *("text2video", PriceKind.FIXED, Per.TASK),
                    amount_micros=333_333,
                    model=CLIP["model_name"],
                ),
            )
        relay.read_anew()
        for token in (acme, beta):
            await relay.submit(token, {**CLIP, "prompt": "a clip"})
        for number in range(len(asked)):
            for token in (acme, beta):
                await relay.client.get(f"/v1/videos/k{number}", headers=bearer(token))
        assert not await relay.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")
        yield relay
    report = await audit_books(database_url)
    assert report.ok, report.differences


async def simulated(
    relay: Relay, *rows: PriceRow, window: Window | None = None, **of: Any
) -> list[Simulated]:
    async with relay.sessions() as session:
        official = (await read_adopted(session)).rows
        prices = Prices(rows, of.pop("multipliers", ()), official, at=datetime.now(UTC), **of)
        return await simulate(session, prices, window or lately(), catalogue=Catalogue())


async def test_what_tasks_would_have_cost(database_url: str) -> None:
    """One shop for all that is asked of it: it takes seconds to open, and nothing changes it."""
    async with sold_in(database_url) as sold:
        await it_is_what_was_charged_at_the_prices_that_there_were(sold)
        await it_is_what_other_prices_come_to(sold)
        await one_simulation_runs_at_a_time(sold)


async def it_is_what_was_charged_at_the_prices_that_there_were(sold: Relay) -> None:
    """By each way to settle, two prices one after the other, and two multipliers."""
    async with sold.sessions() as session:
        rows, multipliers = await read_rows(session), await read_multipliers(session)
        now = (await read_prices(session)).at
    found = await simulated(sold, *rows, multipliers=multipliers)
    charged = await sold.rows(
        "SELECT n.name, t.model, count(*), sum(t.charged_micros)::bigint FROM tasks t"
        " JOIN tenants n ON n.id = t.tenant_id WHERE t.state = 'succeed' GROUP BY 1, 2"
    )

    assert len(found) == 4
    assert {(one.tenant, one.model, one.tasks, one.charged_micros) for one in found} == {
        tuple(row) for row in charged
    }
    assert [one.simulated_micros for one in found] == [one.charged_micros for one in found]
    assert all(one.charged_micros > 0 and one.unpriced == 0 for one in found)
    # Windows that touch come to what the whole comes to.
    cut = now - timedelta(milliseconds=1)
    parts = [
        await simulated(sold, *rows, multipliers=multipliers, window=window)
        for window in (Window(lately().start, cut), Window(cut, lately().until))
    ]
    assert sum(one.simulated_micros for part in parts for one in part) == sum(
        one.simulated_micros for one in found
    )


async def it_is_what_other_prices_come_to(sold: Relay) -> None:
    """A fixed price by the result's seconds, one without any row, hours that take all or none."""
    motion = PriceRow("motion-control", kind=PriceKind.FIXED, amount_micros=1_000_001)
    clip = PriceRow("text2video", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=7)

    by_seconds = await simulated(sold, motion)
    clips = await simulated(
        sold, clip, multipliers=[Multiplier(Decimal("1.5"))], multiplies_amounts=True
    )
    async with sold.sessions() as session:
        nothing = Prices(at=datetime.now(UTC))
        unpriced = await simulate(session, nothing, lately(), catalogue=Catalogue())
    hours = [
        await simulated(
            sold,
            PriceRow(
                "text2video",
                kind=PriceKind.FIXED,
                per=Per.TASK,
                amount_micros=7,
                hours=(begin, begin % 24 + 1),
            ),
        )
        for begin in range(24)
    ]

    of_motion = [one for one in by_seconds if one.model == MOTION["model_name"]]
    assert [one.simulated_micros for one in of_motion] == [4_000_004, 4_000_004]
    of_clips = [one for one in clips if one.model == CLIP["model_name"]]
    assert [(one.tasks, one.simulated_micros) for one in of_clips] == [(7, 7 * 11), (7, 7 * 11)]
    assert {(one.simulated_micros, one.unpriced == one.tasks) for one in unpriced} == {(0, True)}
    by_hour = [
        [one.simulated_micros for one in found if one.model == CLIP["model_name"]]
        for found in hours
    ]
    # Whatever hour it is now: each task is cheap in its own, and in that one alone.
    cheap = [sum(prices) for prices in zip(*by_hour, strict=True)]
    dear = [
        one.simulated_micros for one in await simulated(sold) if one.model == CLIP["model_name"]
    ]
    assert cheap == [23 * whole + 7 * 7 for whole in dear]


async def one_simulation_runs_at_a_time(sold: Relay) -> None:
    """Who comes beside it is told so, and reads nothing; what it sets is its transaction's."""
    async with sold.sessions() as first:
        await first.execute(LOCK)
        with pytest.raises(SimulationRunning):
            await simulated(sold)

    assert await simulated(sold)
