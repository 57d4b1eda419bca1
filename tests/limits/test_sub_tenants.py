"""Sub-tenants: one account pays for all, and each is under its own limits, at its own prices."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from decimal import ROUND_HALF_UP, Decimal
from functools import partial

import httpx
import pytest

from relay.database.ids import TaskId
from relay.desk.tasks import refund, release
from relay.limits.read import read_limits
from relay.limits.tables import LimitKind
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tenants.tokens import IssuedToken
from tests.ledger.test_concurrent_holds import codes, open_replicas
from tests.limits.limiting import limit, pass_window, read_tokens_anew, set_factor, sub_tenant
from tests.limits.test_counted_ends import end
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, bearer, running_relay
from tests.tasks.holding import read_row
from tests.waiting import PATIENCE_S

SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)
OWN_MICROS = 546_000
"""A clip at 1.3 times its price."""


async def submit_at_once(
    relays: list[Relay], tokens: list[IssuedToken], times: int
) -> dict[str, list[httpx.Response]]:
    """So many clips of each token, all at once, in turn to each replica."""
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(
            *(
                relays[number % len(relays)].submit(token, CLIP)
                for number in range(times)
                for token in tokens
            )
        )
    return {token.tenant: list(answers[place :: len(tokens)]) for place, token in enumerate(tokens)}


async def test_a_parent_and_its_sub_tenants_stop_at_one_quota_to_the_micro(books: str) -> None:
    """Of 90 clips of three tenants over two replicas a quota for 37 takes 37, at its price.

    A sub-tenant is told nothing of it but that it is not enough.
    """
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        token = await relays[0].add_tenant(quota_micros=38 * CLIP_MICROS - 1)
        below = [await sub_tenant(relays[0], name, "1.3") for name in ("eu", "us")]
        await limit(relays[0], tenant="acme/us", month=1000 * CLIP_MICROS)

        answers = await submit_at_once(relays, [token, *below], 30)

        taken = sum((codes(told) for told in answers.values()), Counter[int]())
        assert taken == {0: 37, 1102: 53}
        assert await relays[0].account("acme/eu") == await relays[0].account()
        assert (await relays[0].account())[1] == 37 * CLIP_MICROS
        for one in below:
            refused = await relays[0].submit(one, CLIP)
            assert (refused.status_code, refused.json()["message"]) == (
                429,
                "Account balance not enough",
            )


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_sub_tenants_limit_stops_at_its_own_price_and_its_parents_at_the_accounts(
    books: str, *, is_known: bool
) -> None:
    """A limit of 5 clips at 1.3 lets 5 through, and the parent's one of 25 those of all three.

    Also where replicas have not heard of the limits yet. What the parent's refuses is told without
    a figure of it.
    """
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        token = await relays[0].add_tenant(quota_micros=200 * CLIP_MICROS)
        bounded, free = [await sub_tenant(relays[0], name, "1.3") for name in ("eu", "us")]
        await submit_at_once(relays, [token, bounded, free], 2)  # all are read, and count
        await limit(relays[0], tenant="acme/eu", month=6 * OWN_MICROS - 1)
        await limit(relays[0], tenant="acme", day=26 * CLIP_MICROS - 1)
        if is_known:
            read_tokens_anew(*relays)

        answers = await submit_at_once(relays, [bounded], 20)
        others = await submit_at_once(relays, [token, free], 30)

        assert codes(answers["acme/eu"]) == {0: 3, 1102: 17}
        refused = next(one.json() for one in answers["acme/eu"] if one.json()["code"])
        assert "your limit per month is 3.275999" in refused["message"]
        assert "0.546 USD is needed" in refused["message"]
        assert sum((codes(one) for one in others.values()), Counter[int]()) == {0: 16, 1102: 44}
        withheld = next(one.json() for one in others["acme/us"] if one.json()["code"])
        assert withheld["message"] == "Account balance not enough"
        async with relays[0].sessions() as session:
            seen = {one.kind: one.taken for one in await read_limits(session)}
        assert seen == {LimitKind.MONTH: 5 * OWN_MICROS, LimitKind.DAY: 25 * CLIP_MICROS}


async def test_the_parents_other_limits_hold_for_all_and_tell_nothing(books: str) -> None:
    """Tasks in flight, creates a second, and what one task may cost."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        token = await sub_tenant(relay, "eu", "1.3")
        words = {
            "in_flight": (429, 1303, "parallel task over resource pack limit"),
            "rate": (429, 1302, "request too fast, rate limit exceeded"),
            "task": (403, 1103, "No permission: this task may cost more than one may here"),
        }
        for kind, (status, code, message) in words.items():
            await limit(relay, tenant="acme", **{kind: 0})
            refused = await relay.submit(token)
            told_ = refused.json()
            assert (refused.status_code, told_["code"], told_["message"]) == (status, code, message)
            await limit(relay, tenant="acme", **{kind: None})
        assert (await relay.submit(token)).json()["code"] == 0


@pytest.mark.parametrize("seed", range(2))
async def test_counts_and_entries_stay_the_sum_of_tasks_over_random_ends(
    books: str, seed: int
) -> None:
    """At factors that no amount is whole at, and that change meanwhile: the audit finds no drift.

    The entries of a sub-tenant, each as it is told, add up to what its tasks come to, each rounded
    once; what was sold keeps the factor of then.
    """
    dice = random.Random(seed)
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        await relay.add_tenant(quota_micros=1000 * CLIP_MICROS)
        token = await sub_tenant(relay, "eu", "1.333333")
        tasks = await made(relay, token, 4)
        await asyncio.gather(*(end(relay, task, dice) for task in tasks[:2]))
        much = 1000 * CLIP_MICROS
        await limit(relay, tenant="acme/eu", day=much, total=much, in_flight=100)
        await limit(relay, tenant="acme", month=much, in_flight=100)
        await limit(relay, token_id=token.id, week=much)
        read_tokens_anew(relay)

        for factor in ("1.777777", "1", "2.000001"):
            await set_factor(relay, "acme/eu", factor)
            tasks += await made(relay, token, 3)
            messages = [end(relay, dice.choice(tasks), dice) for _ in range(12)]
            await asyncio.gather(*messages, *(give_back(relay, one.id, dice) for one in tasks))
            report = await relay.audit()
            assert report.ok, report.differences
            await pass_window(relay, LimitKind.DAY)

        for task in tasks:
            await relay.end(await read_row(relay, task.id), TaskState.REFUSED, Via.LOOK)
            await relay.act(release, task.id)
        assert {
            row["taken"]
            for row in await relay.rows("SELECT taken FROM limits WHERE kind = 'in_flight'")
        } == {0}
        rows = await relay.rows(
            "SELECT charged_micros - refunded_micros AS kept, quote ->> 'resale' AS factor"
            " FROM tasks WHERE charged_micros IS NOT NULL"
        )
        worth = sum(times(row["kept"], row["factor"]) for row in rows)
        spent = await relay.client.get("/relay/usage", headers=bearer(token))
        entries = await relay.client.get("/relay/entries?pageSize=500", headers=bearer(token))
        assert spent.json()["data"]["usage"][0]["charged"] == plain(worth)
        lines = entries.json()["data"]["entries"]
        assert -sum(Decimal(line["amount"]) for line in lines) == Decimal(worth) / 1_000_000
        assert len({row["factor"] for row in rows}) > 1


async def made(relay: Relay, token: IssuedToken, count: int) -> list[TaskRow]:
    """Submit clips that Kling works on for longer than the test."""
    answers = await asyncio.gather(*(relay.submit(token) for _ in range(count)))
    ids = [answer.json()["data"]["task_id"] for answer in answers]
    return [await read_row(relay, (await relay.task(one))["id"]) for one in ids]


async def give_back(relay: Relay, task_id: TaskId, dice: random.Random) -> None:
    """Refund a few micros of a charge, if there are any."""
    act = partial(refund, amount_micros=dice.choice([1, 7, 1000]))
    await relay.act(act, task_id)


def times(micros: int, factor: str) -> int:
    return int((micros * Decimal(factor)).to_integral_value(ROUND_HALF_UP))


def plain(micros: int) -> str:
    return f"{(Decimal(micros) / 1_000_000).normalize():f}"
