"""SIGTERM to `relay serve` and `relay worker`, and a worker alone."""

import asyncio
import contextlib
import json

import httpx

from tests.e2e.gate import open_gate
from tests.e2e.raw import connected, post
from tests.e2e.world import World
from tests.relay_app import CLIP, CLIP_MICROS, TEXT2VIDEO
from tests.waiting import wait_until

AT_LEISURE = {"kling_timeout_s": 50, "submit_timeout_s": 60, "drain_s": 60}
"""A busy machine takes its time; nothing waits for so long."""


async def test_sigterm_lets_a_submit_end_and_takes_no_other(world: World) -> None:
    """A submit under way is answered with Kling's id; new connections are refused; exit code 0."""
    token = await world.add_tenant()
    async with open_gate(world.kling_url) as gate, world.started_relay(**AT_LEISURE) as relay:
        await world.add_channel(base_url=gate.url)
        gate.hold_replies()
        sending = asyncio.create_task(world.send(token, {"prompt": "a fox"}))
        (accepted,) = await world.kling_accepted()

        relay.terminate()
        await wait_until(lambda: is_refused(world.port))
        was_refused_meanwhile = not sending.done()
        gate.let_replies_pass()
        answer = await sending
        exit_code = await relay.ended()

    assert was_refused_meanwhile
    assert (answer.status_code, answer.json()["data"]["task_id"]) == (200, accepted["task_id"])
    assert [task["kling_id"] for task in await world.tasks()] == [accepted["task_id"]]
    assert exit_code == 0


async def test_sigterm_finishes_a_submit_whose_client_has_gone(world: World) -> None:
    """Nobody waits for the answer any more, and still the process records it before it ends."""
    token = await world.add_tenant()
    body = json.dumps({**CLIP, "prompt": "a fox"})
    async with open_gate(world.kling_url) as gate, world.started_relay(**AT_LEISURE) as relay:
        await world.add_channel(base_url=gate.url)
        gate.hold_replies()
        async with connected(world.port) as client:
            head = post(TEXT2VIDEO, bearer=token.api_key, length=len(body))
            await client.send(head, body.encode())
            (accepted,) = await world.kling_accepted()

        relay.terminate()
        await wait_until(lambda: is_refused(world.port))
        gate.let_replies_pass()
        exit_code = await relay.ended()

    assert [task["kling_id"] for task in await world.tasks()] == [accepted["task_id"]]
    assert exit_code == 0


async def test_a_worker_alone_ends_what_a_relay_left(world: World) -> None:
    """The relay is gone; `relay worker` finds the ends and the charges, and ends by SIGTERM."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    async with world.started_relay(refresh_s=60) as relay:
        answers = [await world.send(token, {"prompt": f"a fox {n}"}) for n in range(3)]
        relay.kill()
    await world.rows("UPDATE tasks SET next_look_at = now()")  # the 60 s are over

    with world.command("worker") as worker:
        await worker.logged("worker.started")
        await world.settle()
        worker.terminate()
        exit_code = await worker.ended()

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {task["ended_via"] for task in await world.tasks()} == {"look"}
    assert await world.account() == (10_000_000 - 3 * CLIP_MICROS, 0)
    assert exit_code == 0
    await world.check_books()


async def is_refused(port: int) -> bool:
    with contextlib.suppress(httpx.ReadError):
        try:
            async with connected(port):
                pass
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it closed in between
            return True
    return False
