"""The budget of body bytes: bounded, fair, and given back whatever happens."""

import asyncio
import random
from typing import Any

import pytest

from relay.body_budget import BYTES_PER_S_MIN, SMALL_BYTES, BodyBudget, Share
from relay.errors import BadRequest, TooSlow
from relay.proxy.body import ClientGone, ReadBody, read_body
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope
from tests.relay_app import TEXT2VIDEO, bearer, running_relay
from tests.waiting import PATIENCE_S, play_dead, play_slow, settle_for, wait_until

A, B, C = 1, 2, 3


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def held(budget: BodyBudget, tenant_id: int, size: int, *, of: int | None = None) -> Share:
    """A body of which `size` bytes are here; the rest is being read."""
    share = budget.open(tenant_id, of or size)
    await asyncio.wait_for(share.grow(size), PATIENCE_S)
    return share


async def whole(budget: BodyBudget, tenant_id: int, size: int) -> Share:
    share = await held(budget, tenant_id, size)
    share.end()
    return share


async def growing(share: Share, size: int) -> asyncio.Task[None]:
    """Let it grow; the task is not done if it has to wait."""
    task = asyncio.create_task(share.grow(size))
    await settle()
    return task


async def given(*tasks: asyncio.Task[None]) -> None:
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)


async def assert_empty(budget: BodyBudget, total: int) -> None:
    """Two tenants find all of it, and nobody finds more."""
    for tenant in (A, B):
        await whole(budget, tenant, total // 2)
    third = await growing(budget.open(C, 1), 1)
    assert not third.done()
    third.cancel()


async def test_one_tenant_gets_half_and_another_is_served_beside_it() -> None:
    """Of 100, tenant A has 50; its next body waits, B's does not."""
    budget = BodyBudget(100)
    first = await whole(budget, A, 50)
    waiting = await growing(budget.open(A, 10), 10)

    await whole(budget, B, 50)

    assert not waiting.done()
    first.release()
    await given(waiting)


async def test_bodies_that_grow_on_their_way_do_not_wait_for_each_other() -> None:
    """Four whole ones hold all of it, and each needs as much again: one after the other has it."""
    size = SMALL_BYTES + 1
    budget = BodyBudget(4 * size)
    bodies = [await whole(budget, tenant, size) for tenant in (A, A, B, B)]
    most = 0

    async def grow(body: Share) -> None:
        nonlocal most
        async with budget.more(body.account_id, size, beside=body):
            most = max(most, sum(one.taken for one in bodies))
            await settle()
        body.release()
        bodies.remove(body)

    late = asyncio.create_task(grow(bodies[0]))
    late.cancel()
    await settle()
    assert bodies[0].taken == size
    under_way = [asyncio.create_task(grow(body)) for body in bodies]
    await given(*under_way)

    assert not bodies
    assert most == 5 * size, "one goes beyond the bound, not all"
    await assert_empty(budget, 4 * size)


async def test_only_what_has_arrived_is_taken() -> None:
    """Four bodies that declare 50 each of 100, of which 1 has come: others have the rest."""
    budget = BodyBudget(100)
    for tenant in (A, A, B, B):
        await held(budget, tenant, 1, of=50)

    for tenant in (A, B):
        await whole(budget, tenant, 48)


async def test_a_share_is_given_back_once() -> None:
    """Released twice it frees its bytes once, or the budget would grow."""
    budget = BodyBudget(100)
    share = await whole(budget, A, 50)

    share.release()
    share.release()

    await assert_empty(budget, 100)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """Whether it is cancelled while it waits, or in the moment it was served."""
    budget = BodyBudget(100)
    first = await whole(budget, A, 50)
    shares = [budget.open(A, 30), budget.open(A, 40)]
    waiting, served = await growing(shares[0], 30), await growing(shares[1], 40)

    waiting.cancel()
    await settle()
    shares[0].release()
    first.release()  # this serves `served`, which is cancelled before it runs
    served.cancel()
    await asyncio.gather(waiting, served, return_exceptions=True)
    shares[1].release()

    assert waiting.cancelled()
    assert served.cancelled()
    await assert_empty(budget, 100)


async def test_a_third_tenants_large_body_is_not_starved_by_small_ones() -> None:
    """C waits for 50 of 100 while A and B come and go with small bodies; they queue behind it."""
    budget = BodyBudget(100)
    small = [await whole(budget, tenant, 20) for tenant in (A, B, A, B)]
    large = await growing(budget.open(C, 50), 50)

    later = [await growing(budget.open(tenant, 10), 10) for tenant in (A, B)]
    assert not any(task.done() for task in later)
    for share in small:
        share.release()

    await given(large, *later)


async def test_who_waits_behind_a_cancelled_one_is_served() -> None:
    """Nothing is released, and yet there is room once the large one has gone."""
    budget = BodyBudget(100)
    await whole(budget, A, 50)
    await whole(budget, B, 30)
    leaving = budget.open(C, 50)
    large, small = await growing(leaving, 50), await growing(budget.open(B, 20), 20)
    assert not small.done()

    large.cancel()
    leaving.release()

    await given(small)


@pytest.mark.parametrize("seed", range(10))
async def test_bodies_that_fill_the_budget_together_all_end(seed: int) -> None:
    """Thirty of three tenants, up to twice the budget each, in pieces: none waits for ever, and
    beyond the whole budget there is never more than one of them."""
    chance = random.Random(seed)
    budget = BodyBudget(100)
    sizes = [chance.choice((5, 40, 90, 200)) for _ in range(30)]
    holding: dict[Share, int] = {}
    most = 0

    async def upload(size: int) -> None:
        nonlocal most
        share = budget.open(chance.choice((A, B, C)), size)
        left = size
        while left:
            piece = min(left, chance.randint(1, 30))
            await share.grow(piece)
            left -= piece
            holding[share] = share.taken
            most = max(most, sum(holding.values()) - max(holding.values()))
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)
            if chance.random() < 0.02:
                break  # its client hangs up
        else:
            share.end()
        for _ in range(chance.randint(0, 5)):
            await asyncio.sleep(0)
        holding.pop(share, None)
        share.release()

    await asyncio.wait_for(asyncio.gather(*map(upload, sizes)), PATIENCE_S)

    assert most <= 100
    await assert_empty(budget, 100)


async def test_one_tenants_bodies_end_within_its_half_too() -> None:
    """Both of A's wait in its half; the nearer one goes beyond it, and B has what is left."""
    budget = BodyBudget(100)
    far = await held(budget, A, 25, of=45)
    near = await held(budget, A, 25, of=40)
    far_grows, near_grows = await growing(far, 20), await growing(near, 15)

    assert far_grows.done(), "when it began to wait, it waited alone"
    assert not near_grows.done()
    await whole(budget, B, 30)
    far.end()
    far.release()
    await given(near_grows)


async def test_no_two_wait_for_each_other_beyond_both_bounds() -> None:
    """One of A's may pass A's half and one the whole: neither needs what the other has."""
    budget = BodyBudget(100)
    shares = [await held(budget, tenant, 25, of=100) for tenant in (A, A, B, B)]
    waiting = dict(zip(shares, [await growing(share, 75) for share in shares], strict=True))

    for _ in range(len(shares)):
        await settle()
        ready = next(share for share, task in waiting.items() if task.done())
        del waiting[ready]
        ready.end()
        ready.release()

    await assert_empty(budget, 100)


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
        account_id=A,
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

    await assert_empty(budget, 600_000)


async def test_a_read_that_is_cancelled_gives_its_share_back() -> None:
    """The server cancels a handler whose client is gone."""
    budget = BodyBudget(600_000)
    reading = asyncio.create_task(read(budget, BIG, part(b"x", more=True)))
    await settle()

    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)

    assert reading.cancelled()
    await assert_empty(budget, 600_000)


async def test_a_body_that_declares_too_much_is_refused_unread() -> None:
    """By its Content-Length, before one chunk is asked for and before it takes a share."""
    budget = BodyBudget(600_000)

    with pytest.raises(BadRequest, match="larger"):
        await asyncio.wait_for(read(budget, 1_000_001), PATIENCE_S)

    await assert_empty(budget, 600_000)


async def test_a_small_body_takes_nothing() -> None:
    """Up to 64 KB; a full budget stops no ordinary submit."""
    budget = BodyBudget(100)
    await whole(budget, A, 50)

    body = await asyncio.wait_for(read(budget, SMALL_BYTES, part(b"{}", more=False)), PATIENCE_S)

    assert (body.content, body.share) == (b"{}", None)


async def test_a_body_is_read_as_far_as_there_is_room() -> None:
    """What does not fit waits in the client's socket: one piece is in hand, no more is asked for.

    A body that comes later is not even begun.
    """
    budget = BodyBudget(BIG * 2)
    before = await whole(budget, A, BIG - 150_000)
    asked: list[str] = []

    async def read_one(name: str) -> ReadBody:
        async def receive() -> Any:
            asked.append(name)
            return part(b"x" * 100_000, more=asked.count(name) < 3)

        return await read_body(receive, declared=BIG, budget=budget, account_id=A, limit_bytes=BIG)

    readings = [asyncio.create_task(read_one("first"))]
    await settle()
    readings.append(asyncio.create_task(read_one("second")))
    await settle()

    assert asked == ["first"] * 2
    before.release()
    first = await asyncio.wait_for(readings[0], PATIENCE_S)
    first.release()
    second = await asyncio.wait_for(readings[1], PATIENCE_S)
    assert (len(first.content), len(second.content)) == (BIG, BIG)


async def test_a_body_that_stops_is_let_go_once_others_wait() -> None:
    """Half a body of A's is late: nobody minds, until one waits for what it holds, not of B's."""
    budget = BodyBudget(BIG * 2, behind_s=0.1)
    stalled = asyncio.create_task(read(budget, BIG, part(b"x" * BIG, more=True)))
    await settle_for(0.2, because="it is late by then")
    await whole(budget, B, BIG - 1)
    await settle()
    assert not stalled.done()

    beyond = await held(budget, A, 1, of=2)  # nobody else can grow
    waiting = await growing(budget.open(A, BIG - 1), BIG - 1)
    with pytest.raises(TooSlow):
        await asyncio.wait_for(stalled, PATIENCE_S)
    beyond.release()

    await given(waiting)


async def test_a_body_that_waits_itself_is_not_late() -> None:
    """Its clock stands meanwhile: it has a whole pause left when it is served, and no more."""
    budget = BodyBudget(100, behind_s=0.2)
    share, before = await held(budget, A, 10, of=100), await whole(budget, A, 40)
    waits = await growing(share, 10)
    await settle_for(0.4, because="it would be late by then, twice")
    before.release()
    await given(waits)
    await whole(budget, B, 50)

    waiting = await growing(budget.open(C, 50), 50)

    assert not share.is_let_go
    await wait_until(lambda: share.is_let_go)
    waiting.cancel()


async def test_a_pace_that_is_kept_is_enough() -> None:
    """Each piece is worth its time, and nothing is saved up by having been quick."""
    budget = BodyBudget(10**9, behind_s=1.0)
    share = await held(budget, A, 10**8)
    began_s = asyncio.get_running_loop().time()
    ahead_s = share.good_until_s - began_s

    share.good_until_s -= 0.9
    await share.grow(BYTES_PER_S_MIN // 2)
    left_s = share.good_until_s - began_s

    assert left_s == pytest.approx(ahead_s - 0.9 + 0.5)
    await share.grow(10 * BYTES_PER_S_MIN)
    assert share.good_until_s <= asyncio.get_running_loop().time() + 1.0


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
