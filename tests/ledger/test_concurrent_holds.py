"""Promise M2: quota - held never goes below zero by a submit, whatever the concurrency."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import httpx
import pytest

from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.ledger.books import accepted_ids, creates_seen
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.waiting import PATIENCE_S

ROOMY = SandboxSettings(task_seconds=60, concurrency=1000, public_url=SANDBOX_URL)


async def open_replicas(stack: AsyncExitStack, database_url: str, count: int) -> list[Relay]:
    """Start relays that share one database and one Kling, with one channel."""
    first = await stack.enter_async_context(running_relay(database_url, sandbox=ROOMY))
    others = [
        await stack.enter_async_context(running_relay(database_url, beside=first))
        for _ in range(count - 1)
    ]
    await first.add_channel()
    return [first, *others]


async def submit_all(
    replicas: list[Relay], token: IssuedToken, bodies: list[dict[str, str]]
) -> list[httpx.Response]:
    """Submit all bodies at once, in turn to each replica."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(
            *(
                replicas[number % len(replicas)].submit(token, body)
                for number, body in enumerate(bodies)
            )
        )


def codes(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.json()["code"] for response in responses)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize(("submits", "affordable"), [(10, 3), (100, 37)])
async def test_concurrent_submits_never_spend_the_same_quota(
    books: str, replicas: int, submits: int, affordable: int
) -> None:
    """On a quota for N clips exactly N are taken, held and sent; the rest is told 429/1102."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, replicas)
        token = await relays[0].add_tenant(quota_micros=affordable * CLIP_MICROS + CLIP_MICROS - 1)

        responses = await submit_all(relays, token, [CLIP] * submits)

        assert codes(responses) == {0: affordable, 1102: submits - affordable}
        assert {response.status_code for response in responses} == {200, 429}
        assert (await relays[0].account())[1] == affordable * CLIP_MICROS
        assert len(accepted_ids(relays[0].sandbox)) == affordable
        assert creates_seen(relays[0].sandbox) == affordable


@pytest.mark.parametrize("replicas", [1, 2])
async def test_concurrent_submits_of_different_amounts_stay_within_the_quota(
    books: str, replicas: int
) -> None:
    """Sixty submits of 3 and 6 units on 100 units: what is held fits, and no more would fit."""
    quota_micros = 100 * 140_000
    bodies = [{**CLIP, "duration": "10" if number % 3 == 0 else "5"} for number in range(60)]
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, replicas)
        token = await relays[0].add_tenant(quota_micros=quota_micros)

        responses = await submit_all(relays, token, bodies)

        quota, held = await relays[0].account()
        rows = await relays[0].rows("SELECT hold_micros FROM tasks")
        assert held == sum(row["hold_micros"] for row in rows)
        assert quota - CLIP_MICROS < held <= quota
        assert codes(responses) == {0: len(rows), 1102: 60 - len(rows)}


@pytest.mark.parametrize("replicas", [1, 2])
async def test_concurrent_submits_never_exceed_the_limit_of_open_tasks(
    books: str, replicas: int
) -> None:
    """With tasks_max 4, four of forty submits are taken; the rest is told 429/1303."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, replicas)
        token = await relays[0].add_tenant(quota_micros=100 * CLIP_MICROS, tasks_max=4)

        responses = await submit_all(relays, token, [CLIP] * 40)

        assert codes(responses) == {0: 4, 1303: 36}
        account = await relays[0].row("SELECT open_holds, held_micros FROM accounts")
        assert tuple(account) == (4, 4 * CLIP_MICROS)


@pytest.mark.parametrize("replicas", [1, 2])
async def test_concurrent_duplicates_of_an_external_id_hold_once(books: str, replicas: int) -> None:
    """Of forty submits with one external id, one is taken and 39 are told 400/1201, no hold."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, replicas)
        token = await relays[0].add_tenant(quota_micros=100 * CLIP_MICROS)

        responses = await submit_all(relays, token, [{**CLIP, "external_task_id": "order-1"}] * 40)

        assert codes(responses) == {0: 1, 1201: 39}
        assert (await relays[0].account())[1] == CLIP_MICROS
        assert creates_seen(relays[0].sandbox) == 1


async def test_duplicates_never_take_the_quota_of_others(books: str) -> None:
    """Thirty duplicates and three fresh ones on a quota for four: all four kinds are taken."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 1)
        token = await relays[0].add_tenant(quota_micros=4 * CLIP_MICROS)
        duplicates = [{**CLIP, "external_task_id": "order-1"}] * 30
        fresh = [{**CLIP, "external_task_id": f"fresh-{number}"} for number in range(3)]

        responses = await submit_all(relays, token, [*duplicates, *fresh])

        assert codes(responses) == {0: 4, 1201: 29}
        assert {response.json()["code"] for response in responses[30:]} == {0}


async def test_a_large_refused_submit_does_not_take_small_ones_with_it(books: str) -> None:
    """10 s do not fit a quota for three times 5 s but once; what comes behind it still fits."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 1)
        token = await relays[0].add_tenant(quota_micros=3 * CLIP_MICROS)
        large = {**CLIP, "mode": "4k"}

        responses = await submit_all(relays, token, [large, CLIP, CLIP, large, CLIP, CLIP])

        assert [response.json()["code"] for response in responses] == [1102, 0, 0, 1102, 0, 1102]
        assert await relays[0].account() == (3 * CLIP_MICROS, 3 * CLIP_MICROS)


async def test_one_tenants_refusals_do_not_touch_anothers_holds(books: str) -> None:
    """Two tenants in the same batches: the poor one is refused, the rich one is served."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 1)
        poor = await relays[0].add_tenant("poor", quota_micros=CLIP_MICROS)
        rich = await relays[0].add_tenant("rich", quota_micros=100 * CLIP_MICROS)

        responses = await asyncio.gather(
            *(relays[0].submit(token) for _ in range(20) for token in (poor, rich))
        )

        assert codes(responses[0::2]) == {0: 1, 1102: 19}
        assert codes(responses[1::2]) == {0: 20}
        assert await relays[0].account("rich") == (100 * CLIP_MICROS, 20 * CLIP_MICROS)


async def test_a_tenant_without_quota_is_told_what_it_needs_and_has(books: str) -> None:
    """The refusal names both sums; nothing is written and nothing reaches Kling."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 1)
        token = await relays[0].add_tenant(quota_micros=400_000)

        response = await relays[0].submit(token)

        assert response.status_code == 429
        assert response.json()["message"].endswith("needed 0.42 USD, available 0.4 USD")
        assert await relays[0].rows("SELECT 1 FROM tasks") == []
        assert creates_seen(relays[0].sandbox) == 0
