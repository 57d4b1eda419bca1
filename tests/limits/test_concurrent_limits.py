"""No concurrency takes more of a limit than it allows, over any number of processes."""

from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from relay.limits.tables import LimitKind
from tests.ledger.test_concurrent_holds import codes, open_replicas, submit_all
from tests.limits.limiting import further_token, limit, limits, read_tokens_anew
from tests.relay_app import CLIP, CLIP_MICROS


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_hundred_submits_over_two_replicas_stop_at_a_limit_to_the_micro(
    books: str, *, is_known: bool
) -> None:
    """Of a hundred clips a limit for 37 lets 37 through, also if replicas have not read of it yet.

    Submits of another token of the tenant's are under no limit, and all of them pass.
    """
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        token = await relays[0].add_tenant(quota_micros=200 * CLIP_MICROS)
        other = await further_token(relays[0])
        await submit_all(relays, token, [CLIP] * 2)  # both have read the token
        await limit(relays[0], token_id=token.id, month=39 * CLIP_MICROS + CLIP_MICROS - 1)
        if is_known:
            read_tokens_anew(*relays)

        responses = await submit_all(relays, token, [CLIP] * 100)
        others = await submit_all(relays, other, [CLIP] * 10)

        assert codes(responses) == {0: 37, 1102: 63}
        assert codes(others) == {0: 10}
        assert (await limits(relays[0]))[LimitKind.MONTH].taken == 39 * CLIP_MICROS
        told = next(answer.json() for answer in responses if answer.json()["code"])
        assert told["message"].startswith("Account balance not enough: this key's limit per month")


async def test_limits_of_a_tenant_and_a_token_hold_together(books: str) -> None:
    """The narrowest one decides: 12 of a hundred; what one refuses takes of no other."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        token = await relays[0].add_tenant(quota_micros=200 * CLIP_MICROS)
        await limit(relays[0], tenant="acme", day=50 * CLIP_MICROS, total=40 * CLIP_MICROS)
        await limit(relays[0], token_id=token.id, in_flight=12, task=CLIP_MICROS)
        bodies = [{**CLIP, "duration": "10"} if number < 5 else CLIP for number in range(100)]

        responses = await submit_all(relays, token, bodies)

        assert codes(responses) == {0: 12, 1303: 83, 1103: 5}
        seen = await limits(relays[0])
        assert {kind.value: one.taken for kind, one in seen.items()} == {
            "day": 12 * CLIP_MICROS,
            "total": 12 * CLIP_MICROS,
            "in_flight": 12,
            "task": None,
        }


async def test_creates_a_second_run_off_by_time(books: str) -> None:
    """Of 50 at once as many pass as a second allows; a second later there is room again."""
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        token = await relays[0].add_tenant(quota_micros=200 * CLIP_MICROS)
        await limit(relays[0], tenant="acme", rate=5)

        responses = await submit_all(relays, token, [CLIP] * 50)
        took = await relays[0].row(
            "SELECT extract(epoch FROM max(created_at) - min(created_at)) AS seconds FROM tasks"
        )
        passed = codes(responses)[0]
        await relays[0].rows("UPDATE limits SET start_at = start_at - interval '1 second'")
        later = await relays[0].submit(token)

        assert 5 <= passed <= 5 + 5 * float(took["seconds"])
        assert codes(responses) == Counter({0: passed, 1302: 50 - passed})
        refused: Any = next(answer for answer in responses if answer.json()["code"])
        assert refused.headers["retry-after"] == "1"
        assert later.json()["code"] == 0
