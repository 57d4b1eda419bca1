"""Promise M2 with a credit: quota + credit - held never goes below zero by a submit."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from sqlalchemy import text

from relay.desk.money import set_credit
from relay.desk.tasks import settle
from tests.ledger.test_concurrent_holds import codes, open_replicas, submit_all
from tests.proxy.keys import data
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, Relay, bearer
from tests.tasks.waiting import WAITING_FOR_A_LOCK
from tests.waiting import wait_until

UNITS = 3
"""Of a clip."""


async def give_credit(relay: Relay, micros: int) -> None:
    async with relay.sessions.begin() as session:
        await set_credit(session, ACTOR, "acme", credit_micros=micros, reason="by the month")


async def both_wait(relay: Relay) -> bool:
    """Whether each replica has looked at the account, and cannot write its tasks yet."""
    return len(await relay.rows(f"{WAITING_FOR_A_LOCK} AND query LIKE '%tasks_id_seq%'")) > 1


async def test_a_credit_is_spent_to_the_micro_and_owed(books: str) -> None:
    """Sixty submits by two replicas on quota for 3 clips, and a micro less than 6 of credit: 8.

    A micro more is one more. A credit below what is used refuses the next one alone: what runs ends
    and is charged below zero, and is shown as owed wherever the tenant reads of its money.
    """
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        relay = relays[0]
        token = await relay.add_tenant(quota_micros=3 * CLIP_MICROS)
        await give_credit(relay, 6 * CLIP_MICROS - 1)

        async with relay.sessions.begin() as other:
            await other.execute(text("LOCK TABLE tasks IN SHARE MODE"))
            submitting = asyncio.create_task(submit_all(relays, token, [CLIP] * 60))
            await wait_until(lambda: both_wait(relay))
        assert codes(await submitting) == Counter({0: 8, 1102: 52})
        await give_credit(relay, 6 * CLIP_MICROS)
        assert codes(await submit_all(relays, token, [CLIP] * 4)) == Counter({0: 1, 1102: 3})
        assert await relay.account() == (3 * CLIP_MICROS, 9 * CLIP_MICROS)

        await give_credit(relay, CLIP_MICROS)
        refused = await relay.submit(token)
        assert refused.json()["message"].endswith("needed 0.42 USD, available -2.1 USD")
        for row in await relay.rows("SELECT id FROM tasks ORDER BY id"):
            assert await relay.act(settle, row["id"])
        assert await relay.account() == (-6 * CLIP_MICROS, 0)

        await give_credit(relay, 7 * CLIP_MICROS)
        balance = await data(relay, token, "GET", "/relay/balance")
        assert (balance["quota"], balance["credit"]) == ("-2.52", "2.94")
        assert (balance["owed"], balance["available"]) == ("2.52", "0.42")
        costs = await relay.client.get(
            "/account/costs?start_time=1&end_time=4102444800000", headers=bearer(token)
        )
        (pack,) = costs.json()["data"]["resource_pack_subscribe_infos"]
        assert (pack["total_quantity"], pack["remaining_quantity"]) == (10 * UNITS, 1 * UNITS)
        assert pack["status"] == "online"
        used = await relay.client.get("/api/usage/token/", headers=bearer(token))
        assert used.json()["data"]["total_available"] == 210_000
        assert codes(await submit_all(relays, token, [CLIP] * 4)) == Counter({0: 1, 1102: 3})
