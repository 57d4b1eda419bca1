"""Promise M4: what a task did cost is charged, at most the hold, and the rest is given back."""

import asyncio

import pytest

from relay.sandbox.settings import SandboxSettings
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.looking import look_now
from tests.waiting import wait_until

QUOTA_MICROS = 10 * CLIP_MICROS
QUICK = SandboxSettings(task_seconds=0.05, public_url=SANDBOX_URL)

CHARGES = {
    "a fox": CLIP_MICROS,
    "a fox [units 2.5]": 350_000,
    "a fox [units 0.0001]": 14,
    "a fox [units 9]": CLIP_MICROS,
    "a fox [units 0]": CLIP_MICROS,
    "a fox [no deduction]": CLIP_MICROS,
    "a fox [cash 0.42]": CLIP_MICROS,
    "a fox [fail]": None,
}
"""Prompt words of the sandbox, and what they must cost on a hold of three units."""


async def _all_ended(relay: Relay) -> bool:
    await look_now(relay)
    return not await relay.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")


async def test_each_task_costs_what_kling_took_or_else_its_quote(books: str) -> None:
    """Eight tasks, by the sandbox's own deductions; only the one above its hold is flagged."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        replies = await asyncio.gather(
            *(relay.submit(token, {**CLIP, "prompt": prompt}) for prompt in CHARGES)
        )
        await wait_until(lambda: _all_ended(relay))

        keys = [reply.json()["data"]["task_id"] for reply in replies]
        rows = {key: await relay.task(key) for key in keys}
        charged = {
            prompt: rows[key]["charged_micros"] for prompt, key in zip(CHARGES, keys, strict=True)
        }
        assert charged == CHARGES
        flagged = [
            prompt for prompt, key in zip(CHARGES, keys, strict=True) if rows[key]["is_flagged"]
        ]
        assert flagged == ["a fox [units 9]"]
        (event,) = await relay.rows("SELECT task_id FROM task_events WHERE kind LIKE '%underq%'")
        assert event["task_id"] == rows[keys[3]]["id"]
        total = sum(charge or 0 for charge in CHARGES.values())
        assert await relay.account() == (QUOTA_MICROS - total, 0)


@pytest.mark.parametrize("multiplier", ["1.2", "0", "0.333333"])
async def test_a_tenants_multiplier_is_in_hold_and_charge(books: str, multiplier: str) -> None:
    """Held 3 units, charged 2.5, both times the multiplier and rounded to a micro."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.rows(f"INSERT INTO multipliers (multiplier) VALUES ({multiplier})")
        relay.read_anew()

        await relay.submit(token, {**CLIP, "prompt": "a fox [units 2.5]"})
        held = (await relay.account())[1]
        await wait_until(lambda: _all_ended(relay))

        factor = float(multiplier)
        assert held == round(420_000 * factor)
        assert await relay.account() == (QUOTA_MICROS - round(350_000 * factor), 0)
        charges = await relay.rows("SELECT 1 FROM entries WHERE kind = 'charge'")
        assert len(charges) == 1
