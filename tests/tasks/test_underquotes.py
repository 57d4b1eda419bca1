"""A price row for which Kling takes more than was held, again and again, is held for more."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from relay.choices import Underquoted
from relay.desk.prices import set_price
from relay.kling.transport import Reply
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.underquotes import TIMES, note_underquote
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, Relay, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling, success

QUOTA_MICROS = 100 * CLIP_MICROS
ROW = PriceRow("text2video", model="kling-v3", per=Per.SECOND, units=Decimal("0.6"))


class RisingKling(ScriptedKling):
    """Takes `units` for each task, which is done when it is asked for."""

    def __init__(self, units: str) -> None:
        super().__init__(self._play)
        self.units = units
        self.made = 0

    async def _play(self, call: Call) -> Reply:
        if call.method == "POST":
            self.made += 1
            return success({"task_id": f"k{self.made}", "task_status": "submitted"})
        return success(
            {
                "task_id": call.key,
                "task_status": "succeed",
                "final_unit_deduction": self.units,
            }
        )


async def run(relay: Relay, token: Any, **body: object) -> tuple[int, int]:
    """One task from submit to success: what was held and what was charged."""
    relay.read_anew()
    response = await relay.submit(token, {**CLIP, **body})
    key = response.json()["data"]["task_id"]
    await relay.get(token, key)
    task = await relay.task(key)
    return task["hold_micros"], task["charged_micros"]


async def test_five_underquotes_raise_the_hold_and_not_the_charge(books: str) -> None:
    """3 units were held and 3.6 to 4 taken: then 4 are held for 5 s, 8 for 10 s; charged is 3.

    It is told once, with the task that it was seen by; a price set anew is held as it is.
    """
    kling = RisingKling("3.6")
    async with running_relay(books, transport=kling, refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        for number in range(TIMES):
            assert await run(relay, token) == (CLIP_MICROS, CLIP_MICROS)
            kling.units = "4" if number == 1 else "3.6"

        risen = await run(relay, token)
        longer = await run(relay, token, duration="10")
        other = await run(relay, token, mode="pro", duration="3")
        events = await relay.rows("SELECT detail FROM task_events WHERE kind = 'price.hold_raised'")
        async with relay.sessions.begin() as session:
            await set_price(session, ACTOR, ROW)
        anew = await run(relay, token)

        assert risen == (4 * 140_000, CLIP_MICROS)
        assert longer == (8 * 140_000, int(Decimal("3.6") * 140_000))
        assert other[0] == int(Decimal("2.4") * 140_000)
        assert len(events) == 1
        assert "1.333 times as much" in events[0]["detail"]
        assert anew[0] == CLIP_MICROS


async def test_the_operator_may_have_it_charged(books: str) -> None:
    """RELAY_UNDERQUOTED=charge: Kling's deduction, as far as the hold goes."""
    kling = RisingKling("4")
    async with running_relay(
        books, transport=kling, refresh_s=0, underquoted=Underquoted.CHARGE
    ) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        for _ in range(TIMES):
            await run(relay, token)

        paid = [await run(relay, token)]
        kling.units = "5"
        paid.append(await run(relay, token))
        kling.units = "0"
        paid.append(await run(relay, token))

        assert paid[:2] == [(4 * 140_000, 4 * 140_000)] * 2
        assert paid[2] == (int(Decimal(5) * 140_000), CLIP_MICROS)


async def test_the_operator_may_have_it_paused(books: str) -> None:
    """RELAY_UNDERQUOTED=pause: 503/5001 without a hold, and other rows are sold."""
    async with running_relay(
        books, transport=RisingKling("4"), refresh_s=0, underquoted=Underquoted.PAUSE
    ) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        for _ in range(TIMES):
            await run(relay, token)
        relay.read_anew()

        refused = await relay.submit(token, CLIP)
        sold = await relay.submit(token, {**CLIP, "mode": "pro"})

        assert (refused.status_code, refused.json()["code"]) == (503, 5001)
        assert sold.status_code == 200
        assert len(await relay.rows("SELECT 1 FROM tasks")) == TIMES + 1


async def test_underquotes_at_once_are_each_counted(database_url: str) -> None:
    """Of 20 at once the fifth raises the hold, and each that is dearer than all before it.

    Four are not enough, nor is one more after an hour; another price is another row.
    """
    async with running_relay(database_url) as relay:

        async def note(row: PriceRow, cost: int) -> Decimal | None:
            async with relay.sessions.begin() as session:
                return await note_underquote(session, row, price_micros=300, cost_micros=cost)

        first = await asyncio.gather(*(note(ROW, 400) for _ in range(20)))
        fixed = PriceRow("effects", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=300)
        four = [await note(fixed, 400) for _ in range(TIMES - 1)]
        await relay.rows(
            "UPDATE price_underquotes"
            " SET seen_at = ARRAY(SELECT at - interval '61 minutes' FROM unnest(seen_at) AS at)"
        )
        later = [await note(fixed, 310), await note(ROW, 1000), await note(ROW, 900)]

        assert [rise for rise in first if rise is not None] == [Decimal("1.333333334")]
        assert four == [None] * 4
        assert later == [None] * 3


@pytest.mark.parametrize("units", ["3", "2.9"])
async def test_what_was_held_is_no_underquote(books: str, units: str) -> None:
    """Equal to the price, or below it, however often."""
    async with running_relay(books, transport=RisingKling(units), refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        for _ in range(TIMES):
            await run(relay, token)

        assert await relay.rows("SELECT 1 FROM price_underquotes") == []
