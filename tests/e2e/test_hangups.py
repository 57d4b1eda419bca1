"""Clients that hang up: what was ordered is done and charged, what was not is not."""

import json

from tests.e2e.gate import open_gate
from tests.e2e.raw import connected, post
from tests.e2e.world import World
from tests.relay_app import CLIP, CLIP_MICROS, TEXT2VIDEO
from tests.waiting import wait_until


async def test_a_client_that_hangs_up_while_kling_thinks_has_ordered(world: World) -> None:
    """Kling answers after the client has gone: the id is recorded, the end is charged."""
    token = await world.add_tenant()
    body = json.dumps({**CLIP, "prompt": "a fox", "external_task_id": "order-1"})
    async with open_gate(world.kling_url) as gate, world.started_relay(submit_timeout_s=60):
        await world.add_channel(base_url=gate.url)
        gate.hold_replies()
        async with connected(world.port) as client:
            head = post(TEXT2VIDEO, bearer=token.api_key, length=len(body))
            await client.send(head, body.encode())
            (accepted,) = await world.kling_accepted()
        gone = await world.tasks()
        gate.let_replies_pass()

        await world.settle()
        answer = await world.ask(token, "order-1")

    assert [task["state"] for task in gone] == ["pending"]
    assert (await world.tasks())[0]["kling_request_id"], "recorded from the create's own reply"
    assert answer.json()["data"]["task_id"] == accepted["task_id"]
    assert await world.account() == (10_000_000 - CLIP_MICROS, 0)
    await world.check_books()


async def test_a_retry_joins_the_create_whose_client_hung_up(world: World) -> None:
    """Kling thinks, the client gives up and sends its create again: one task, one charge."""
    token = await world.add_tenant(joins_retries=True)
    body = json.dumps({**CLIP, "prompt": "a fox"}).encode()
    head = post(TEXT2VIDEO, bearer=token.api_key, length=len(body))
    async with open_gate(world.kling_url) as gate, world.started_relay(submit_timeout_s=60):
        await world.add_channel(base_url=gate.url)
        gate.hold_replies()
        async with connected(world.port) as client:
            await client.send(head, body)
            (accepted,) = await world.kling_accepted()
        await wait_until(lambda: world.rows("SELECT 1 FROM tasks WHERE unheard_at IS NOT NULL"))
        async with connected(world.port) as client:
            await client.send(head, body)
            gate.let_replies_pass()
            joined = await client.answer()
        await world.settle()

    assert joined.body["data"]["task_id"] == accepted["task_id"]
    assert len(await world.tasks()) == 1
    assert await world.account() == (10_000_000 - CLIP_MICROS, 0)
    await world.check_books()


async def test_a_retry_joins_the_studios_create_whose_client_hung_up(world: World) -> None:
    """The same at the studio's paths: one run, one task, one charge."""
    token = await world.add_tenant(joins_retries=True)
    body = json.dumps({"prompt": "a fox", "model": "kling-v3"}).encode()
    head = post("/api/kling/text-to-video", bearer=token.api_key, length=len(body))
    async with (
        open_gate(world.kling_url) as gate,
        world.started_relay(submit_timeout_s=60, studio=True),
    ):
        await world.add_channel(base_url=gate.url)
        gate.hold_replies()
        async with connected(world.port) as client:
            await client.send(head, body)
            await world.kling_accepted()
        await wait_until(lambda: world.rows("SELECT 1 FROM runs WHERE fingerprint IS NOT NULL"))
        async with connected(world.port) as client:
            await client.send(head, body)
            joined = await client.answer()
        gate.let_replies_pass()
        await world.settle()
        runs = await world.rows("SELECT public_id FROM runs")

    assert joined.body["task_id"] == str(runs[0]["public_id"])
    assert (len(runs), len(await world.tasks())) == (1, 1)
    await world.check_books()


async def test_a_client_that_hangs_up_in_its_body_has_ordered_nothing(world: World) -> None:
    """All of a body but its last byte, then nothing: no row, no call, its memory given back."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    body = json.dumps(CLIP).encode().replace(b"{", b"{" + b" " * 500_000, 1)
    async with world.started_relay(body_budget_mb=1) as relay:
        async with connected(world.port) as client:
            head = post(TEXT2VIDEO, bearer=token.api_key, length=len(body))
            await client.send(head, body[:-1])
        await relay.logged("request.abandoned")
        after_half = await world.tasks()
        # The same body, whole: this relay has memory for one at a time, so it was given back.
        async with connected(world.port) as client:
            await client.send(head, body)
            whole = await client.answer()
        await world.settle()

    assert after_half == []
    assert whole.status == 200
    assert len(await world.kling_log()) == 1
    assert await world.account() == (10_000_000 - CLIP_MICROS, 0)
    await world.check_books()
