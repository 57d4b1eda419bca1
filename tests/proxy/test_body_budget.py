"""The budget of body bytes: bounded, fair, and given back whatever happens."""

import asyncio
from typing import Any

import pytest

from relay.errors import BadRequest
from relay.proxy.body import SMALL_BYTES, BodyBudget, ClientGone, Share, read_body
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope
from tests.relay_app import TEXT2VIDEO, bearer, running_relay
from tests.waiting import PATIENCE_S, play_dead, play_slow, wait_until

A, B, C = 1, 2, 3


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def taken(budget: BodyBudget, tenant_id: int, size: int) -> Share:
    return await asyncio.wait_for(budget.take(tenant_id, size), PATIENCE_S)


async def test_one_tenant_gets_half_and_another_is_served_beside_it() -> None:
    """Of 100, tenant A has 50; its next body waits, B's does not."""
    budget = BodyBudget(100)
    first = await taken(budget, A, 50)
    waiting = asyncio.create_task(budget.take(A, 10))
    await settle()

    await taken(budget, B, 50)

    assert not waiting.done()
    first.release()
    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_a_body_beyond_the_budget_gets_all_there_is() -> None:
    """1,000 of a budget of 100 counts as 50: it is read alone, not refused and not for ever."""
    budget = BodyBudget(100)

    share = await taken(budget, A, 1000)
    waiting = asyncio.create_task(budget.take(A, 1))
    await settle()

    assert not waiting.done()
    share.release()
    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_a_share_is_given_back_once() -> None:
    """Released twice it frees its bytes once, or the budget would grow."""
    budget = BodyBudget(100)
    share = await taken(budget, A, 50)

    share.release()
    share.release()

    await taken(budget, A, 50)
    waiting = asyncio.create_task(budget.take(A, 1))
    await settle()
    assert not waiting.done()
    waiting.cancel()


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """Whether it is cancelled while it waits, or in the moment it was served."""
    budget = BodyBudget(100)
    first = await taken(budget, A, 50)
    waiting = asyncio.create_task(budget.take(A, 30))
    served = asyncio.create_task(budget.take(A, 40))
    await settle()

    waiting.cancel()
    await settle()
    first.release()  # this serves `served`, which is cancelled before it runs
    served.cancel()
    await asyncio.gather(waiting, served, return_exceptions=True)

    assert waiting.cancelled()
    assert served.cancelled()
    await taken(budget, A, 50)
    await taken(budget, B, 50)


async def test_a_third_tenants_large_body_is_not_starved_by_small_ones() -> None:
    """C waits for 50 of 100 while A and B come and go with small bodies; they queue behind it."""
    budget = BodyBudget(100)
    small = [await taken(budget, tenant, 20) for tenant in (A, B, A, B)]
    large = asyncio.create_task(budget.take(C, 50))
    await settle()

    later = [asyncio.create_task(budget.take(tenant, 10)) for tenant in (A, B)]
    await settle()
    assert not any(task.done() for task in later)
    for share in small:
        share.release()

    await asyncio.wait_for(large, PATIENCE_S)
    await asyncio.wait_for(asyncio.gather(*later), PATIENCE_S)


async def test_who_waits_behind_a_cancelled_one_is_served() -> None:
    """Nothing is released, and yet there is room once the large one has gone."""
    budget = BodyBudget(100)
    await taken(budget, A, 50)
    await taken(budget, B, 30)
    large = asyncio.create_task(budget.take(C, 50))
    small = asyncio.create_task(budget.take(B, 20))
    await settle()
    assert not small.done()

    large.cancel()

    await asyncio.wait_for(small, PATIENCE_S)


def receiving(*messages: dict[str, Any]) -> Any:
    rest = list(messages)

    async def receive() -> dict[str, Any]:
        if not rest:
            await play_dead()
        return rest.pop(0)

    return receive


async def read(budget: BodyBudget, length: int | None, *messages: dict[str, Any]) -> Any:
    return await read_body(
        receiving(*messages),
        declared=length,
        budget=budget,
        tenant_id=A,
        limit_bytes=1_000_000,
    )


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


BIG = 300_000


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([part(b"x" * 1000, more=True), {"type": "http.disconnect"}], ClientGone),
        ([part(b"x" * 1000, more=True), part(b"\xff", more=True)], BadRequest),
        ([part(b"x" * 1_000_001, more=True)], BadRequest),
    ],
)
@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_read_that_fails_gives_its_share_back(
    messages: list[dict[str, Any]],
    error: type[Exception],
    is_declared: bool,  # noqa: FBT001 (a case)
) -> None:
    """A client that goes, broken UTF-8, too long: the whole budget is there again."""
    budget = BodyBudget(600_000)
    start = part(b"y" * (SMALL_BYTES + 1), more=True)

    with pytest.raises(error):
        await read(budget, BIG if is_declared else None, start, *messages)

    await taken(budget, A, 300_000)
    await taken(budget, B, 300_000)


async def test_a_read_that_is_cancelled_gives_its_share_back() -> None:
    """The server cancels a handler whose client is gone."""
    budget = BodyBudget(600_000)
    reading = asyncio.create_task(read(budget, BIG, part(b"x", more=True)))
    await settle()

    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)

    assert reading.cancelled()
    await taken(budget, A, 300_000)


async def test_a_body_that_declares_too_much_is_refused_unread() -> None:
    """By its Content-Length, before one chunk is asked for and before it takes a share."""
    budget = BodyBudget(600_000)

    with pytest.raises(BadRequest, match="larger"):
        await asyncio.wait_for(read(budget, 1_000_001), PATIENCE_S)

    await taken(budget, A, 300_000)


async def test_a_small_body_takes_nothing() -> None:
    """Up to 64 KB; a full budget stops no ordinary submit."""
    budget = BodyBudget(100)
    await taken(budget, A, 50)

    body = await asyncio.wait_for(read(budget, SMALL_BYTES, part(b"{}", more=False)), PATIENCE_S)

    assert (body.content, body.share) == (b"{}", None)


async def test_a_large_body_is_not_read_before_it_has_its_share() -> None:
    """It waits in the client's socket: not one chunk is asked for."""
    budget = BodyBudget(BIG * 2)
    held = await taken(budget, A, BIG)
    asked = []

    async def receive() -> Any:
        asked.append(1)
        return part(b"x" * BIG, more=False)

    reading = asyncio.create_task(
        read_body(receive, declared=BIG, budget=budget, tenant_id=A, limit_bytes=BIG)
    )
    await settle()

    assert asked == []
    held.release()
    body = await asyncio.wait_for(reading, PATIENCE_S)
    assert len(body.content) == BIG


async def test_eight_images_pass_a_budget_for_one(database_url: str) -> None:
    """Eight bodies of 13 MB on a budget of 32, one at a time; another tenant passes between.

    Counted at Kling, where each body is alive until it answers.
    """
    at_once: list[int] = []
    alive = 0

    async def answer(asked: Asked) -> Any:
        nonlocal alive
        alive += 1
        at_once.append(alive)
        await play_slow(0.02)
        alive -= 1
        external_id = asked.body[-80:].split(b'"external_task_id":"')[1].split(b'"')[0].decode()
        return envelope(created(external_id, task_id=external_id))

    image = b'{"model_name":"kling-v3","prompt":"x","image":"%b"}' % (b"A" * 13 * 1024 * 1024)
    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling, body_budget_mb=32) as relay:
        token, other = await relay.add_tenant(), await relay.add_tenant("other")
        await relay.add_channel()
        uploads = [asyncio.create_task(relay.submit(token, image)) for _ in range(8)]
        await wait_until(lambda: at_once)

        beside = await relay.client.post(
            TEXT2VIDEO, headers=bearer(other), content=image.replace(b"AAAA", b"A", 1)
        )
        unfinished = sum(not upload.done() for upload in uploads)
        responses = await asyncio.wait_for(asyncio.gather(*uploads), PATIENCE_S)

    assert {response.status_code for response in [*responses, beside]} == {200}
    assert max(at_once) <= 2
    assert unfinished >= 4
