"""`relay serve --reuse-port`: several processes share a port, and each drains alone."""

import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.e2e.processes import Process
from tests.e2e.raw import Answer, connected, post
from tests.e2e.test_signals import is_refused
from tests.e2e.world import World
from tests.relay_app import CLIP, TEXT2VIDEO
from tests.waiting import wait_until

SUBMITS = 20
"""That all of them go to one of two processes happens once in half a million runs."""
POLL = b"GET /v1/videos/text2video/none HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer %b\r\n\r\n"


@contextlib.asynccontextmanager
async def sharing(world: World) -> AsyncIterator[Process]:
    with world.command(
        "serve", "--port", str(world.port), "--reuse-port", submit_timeout_s=20
    ) as process:
        await process.logged("serve.started")
        yield process


def office_port(process: Process) -> int:
    (started,) = process.events("serve.started")
    return int(started["office"].rpartition(":")[2])


def answered(process: Process) -> int:
    """How many tenants' requests it has answered, as its log tells."""
    return len(process.events("request.answered"))


async def ask(world: World, bearer: str) -> Answer:
    """On a connection of its own, which the system gives to one of the processes."""
    async with connected(world.port) as client:
        await client.send(POLL % bearer.encode())
        return await client.answer()


async def test_processes_that_share_a_port_both_serve(world: World) -> None:
    """Forty connections: each of two processes answers some of them, and together all."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    async with sharing(world) as first, sharing(world) as second:
        answers = [await ask(world, token.api_key) for _ in range(40)]

        async def all_are_logged() -> bool:
            return answered(first) + answered(second) == 40

        await wait_until(all_are_logged)
        shares = answered(first), answered(second)

    assert {answer.status for answer in answers} == {400}
    assert min(shares) > 0, shares


async def test_one_of_them_drains_and_the_other_goes_on(world: World) -> None:
    """Submits under way in both are answered; whoever comes meanwhile gets the other one."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    body = json.dumps({**CLIP, "prompt": "a fox [delay 3]"}).encode()
    submit = post(TEXT2VIDEO, bearer=token.api_key, length=len(body)) + body
    async with sharing(world) as first, sharing(world), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(world.port)) for _ in range(SUBMITS)]
        for client in clients:
            await client.send(submit)
        await world.kling_accepted(SUBMITS)
        first.terminate()
        await wait_until(lambda: is_refused(office_port(first)))  # so it takes nobody any more
        meanwhile = [await ask(world, token.api_key) for _ in range(20)]
        was_draining = first.is_running
        submitted = [await client.answer() for client in clients]
        exit_code = await first.ended()
        afterwards = [await ask(world, token.api_key) for _ in range(20)]
        of_first = answered(first)

    assert was_draining
    assert [answer.status for answer in submitted] == [200] * SUBMITS
    assert {answer.status for answer in meanwhile + afterwards} == {400}
    assert 0 < of_first < SUBMITS
    assert exit_code == 0


@pytest.mark.parametrize(("first", "second"), [([], ["--reuse-port"]), (["--reuse-port"], [])])
async def test_who_does_not_share_has_the_port_alone(
    world: World, first: list[str], second: list[str]
) -> None:
    """Both must have said so; one sentence, and the one that was there goes on."""
    with world.command("serve", "--port", str(world.port), *first) as there:
        await there.logged("serve.started")
        with world.command("serve", "--port", str(world.port), *second) as refused:
            exit_code = await refused.ended()
            said = refused.tail()
        health = await world.http.get(f"{world.url}/health/ready")

    assert exit_code == 1
    assert f"cannot listen on 127.0.0.1:{world.port}: Address already in use" in said
    assert "Traceback" not in said
    assert health.status_code == 200
