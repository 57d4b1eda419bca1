"""Kling's callbacks over real connections: however they come, the charges are the same."""

from tests.e2e.world import World
from tests.relay_app import CLIP_MICROS

MANNERS = {
    "a fox": ("succeed", CLIP_MICROS),
    "a fox [double callback]": ("succeed", CLIP_MICROS),
    "a fox [reverse callbacks]": ("succeed", CLIP_MICROS),
    "a fox [late callback 1]": ("succeed", CLIP_MICROS),
    "a fox [lost callback]": ("succeed", CLIP_MICROS),
    "a fox [units 2]": ("succeed", 280_000),
    "a fox [no deduction] [double callback]": ("succeed", CLIP_MICROS),
    "a fox [fail] [double callback]": ("failed", None),
    "a fox [fail] [reverse callbacks]": ("failed", None),
    "a fox [delay 1]": ("succeed", CLIP_MICROS),
}
"""What a prompt asks for, and how its task ends."""


async def test_callbacks_may_come_doubled_lost_reversed_or_late(world: World) -> None:
    """All end by callback, but for the lost one that a look finds; each is charged once."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    async with world.started_relay(public_url=world.url, refresh_s=4, submit_timeout_s=20):
        for prompt in MANNERS:
            assert (await world.send(token, {"prompt": prompt})).status_code == 200
        await world.settle()
        sent = await world.kling_log("callback")

    tasks = await world.tasks()
    ends = [(task["state"], task["charged_micros"]) for task in tasks]
    ways = dict(zip(MANNERS, [task["ended_via"] for task in tasks], strict=True))
    assert dict(zip(MANNERS, ends, strict=True)) == MANNERS
    assert ways.pop("a fox [lost callback]") == "look"
    assert ways.pop("a fox [no deduction] [double callback]") in ("callback", "look")
    assert set(ways.values()) == {"callback"}
    assert {entry["http_status"] for entry in sent} == {200}
    await world.check_books()


async def test_without_a_public_url_all_ends_by_looks(world: World) -> None:
    """The same charges, and Kling was given no address to call."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    async with world.started_relay(submit_timeout_s=20) as relay:
        for prompt in MANNERS:
            body = {"prompt": prompt, "callback_url": "http://tenant.example/hook"}
            assert (await world.send(token, body)).status_code == 200
        await world.settle()

    ends = [(task["state"], task["charged_micros"]) for task in await world.tasks()]
    assert dict(zip(MANNERS, ends, strict=True)) == MANNERS
    assert {task["ended_via"] for task in await world.tasks()} == {"look"}
    assert await world.kling_log("callback") == []
    assert relay.events("serve.callbacks_off")
    await world.check_books()
