"""A create that is sent again: by its key, or because nobody heard the first one's answer."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from relay.kling.transport import MaybeSent, Reply
from relay.tenants.tokens import IssuedToken
from tests.relay_app import CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, bearer, running_relay
from tests.tasks.looking import look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, refusal, success
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import wait_until

QUOTA_MICROS = 100 * CLIP_MICROS
WAIT_S = 3.0
"""The longest that a repeated create waits here."""


class Kling:
    """Makes a task of each create, or does with it what stands in `does`, one after the other."""

    def __init__(self) -> None:
        self.does: list[Any] = []
        self.made: dict[str, str] = {}
        """Kling's ids by our external ids."""
        self.is_silent = False
        self.gate: asyncio.Event | None = None
        """No create is answered before it opens."""
        self.transport = ScriptedKling(self._answer)

    async def _answer(self, call: Call) -> Reply:
        if call.method == "GET":
            if self.is_silent or call.key not in self.made:
                return not_found()
            return success(self._task(call.key))
        does = self.does.pop(0) if self.does else None
        if isinstance(does, Reply):
            return does
        injected_id = call.body["external_task_id"]
        self.made[injected_id] = f"k{len(self.made) + 1}"
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(does, Exception):
            raise does
        return success(self._task(injected_id))

    def _task(self, injected_id: str) -> dict[str, Any]:
        info = {"external_task_id": injected_id}
        return {"task_id": self.made[injected_id], "task_status": "submitted", "task_info": info}


async def create(
    relay: Relay, token: IssuedToken, body: Any = None, *, path: str = TEXT2VIDEO, **headers: str
) -> httpx.Response:
    return await relay.client.post(path, json=body or CLIP, headers=bearer(token) | headers)


async def tasks(relay: Relay) -> int:
    return len(await relay.rows("SELECT 1 FROM tasks WHERE state <> 'refused'"))


async def is_no_lock_waited_for(relay: Relay) -> bool:
    return not await is_a_lock_waited_for(relay)


def told(answer: httpx.Response) -> tuple[int, Any]:
    said = answer.json()
    return answer.status_code, said["data"]["task_id"] if said["code"] == 0 else said["code"]


async def test_a_key_answers_with_the_first_ones_bytes(books: str) -> None:
    """However the header and the path are spelled, and without quota; other bytes are refused."""
    kling = Kling()
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=CLIP_MICROS, joins_retries=True)
        other = await relay.add_tenant("beta", quota_micros=CLIP_MICROS, joins_retries=True)

        first = await create(relay, token, **{"Idempotency-Key": "order-1"})
        await relay.rows("UPDATE tasks SET state = 'processing', reply = '{}'")
        again = await create(relay, token, **{"idempotency-key": "order-1"})
        respelt = await create(
            relay, token, path="/v1/videos/text2video", **{"IDEMPOTENCY-KEY": " order-1 "}
        )
        changed = await create(
            relay, token, {**CLIP, "prompt": "a cat"}, **{"Idempotency-Key": "order-1"}
        )
        elsewhere = await create(
            relay, token, path="/v1/videos/image2video", **{"Idempotency-Key": "order-1"}
        )
        endless = await create(relay, token, **{"Idempotency-Key": "k" * 256})
        anothers = await create(relay, other, **{"Idempotency-Key": "order-1"})

        assert told(first) == (200, "k1")
        assert {again.content, respelt.content} == {first.content}
        assert [told(one) for one in (changed, elsewhere, endless)] == [(400, 1201)] * 3
        assert told(anothers) == (200, "k2")
        assert kling.transport.posts_to("kling.sandbox") == 2
        assert await relay.account() == (CLIP_MICROS, CLIP_MICROS)


async def test_a_key_is_free_after_a_refusal_and_after_a_day(books: str) -> None:
    """The refused create made nothing; of a task older than 24 hours the key means nothing."""
    kling = Kling()
    kling.does = [refusal(400, 1301)]
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)
        key = {"Idempotency-Key": "order-1"}

        answers = [told(await create(relay, token, **key)) for _ in range(3)]
        await relay.rows("UPDATE tasks SET created_at = now() - interval '23 hours 59 minutes'")
        answers.append(told(await create(relay, token, **key)))
        await relay.rows("UPDATE tasks SET created_at = now() - interval '24 hours 1 minute'")
        answers.append(told(await create(relay, token, **key)))

        assert answers == [(400, 1301), (200, "k1"), (200, "k1"), (200, "k1"), (200, "k2")]


async def test_creates_of_one_key_at_once_are_one_task(books: str) -> None:
    """Ten in the same moment, by two replicas, on quota for one: one task, ten equal answers."""
    kling = Kling()
    async with (
        running_relay(books, transport=kling.transport) as relay,
        running_relay(books, beside=relay, transport=kling.transport) as replica,
    ):
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=CLIP_MICROS, joins_retries=True)

        answers = await asyncio.gather(
            *(
                create((relay, replica)[number % 2], token, **{"Idempotency-Key": "order-1"})
                for number in range(10)
            )
        )

        assert {answer.content for answer in answers} == {answers[0].content}
        assert told(answers[0]) == (200, "k1")
        assert await tasks(relay) == 1
        assert await relay.account() == (CLIP_MICROS, CLIP_MICROS)


@pytest.mark.parametrize("has_key", [True, False], ids=["key", "bytes"])
async def test_a_retry_waits_for_the_first_ones_verdict(books: str, *, has_key: bool) -> None:
    """504 while nobody knows, as often as it is sent; the one task as soon as Kling tells."""
    kling = Kling()
    kling.does, kling.is_silent = [MaybeSent("ReadTimeout")], True
    headers = {"Idempotency-Key": "order-1"} if has_key else {}
    async with running_relay(books, transport=kling.transport, submit_timeout_s=WAIT_S) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)

        unheard = [told(await create(relay, token, **headers)) for _ in range(2)]
        retry = asyncio.create_task(create(relay, token, **headers))
        kling.is_silent = False
        await look_now(relay)

        assert unheard == [(504, 5002)] * 2
        assert told(await retry) == (200, "k1")
        assert await tasks(relay) == 1
        assert kling.transport.posts_to("kling.sandbox") == 1
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_equal_creates_that_somebody_awaits_are_tasks_of_their_own(books: str) -> None:
    """Two wait at once; then one whose answer was heard: as at Kling, each is a wish of its own."""
    kling = Kling()
    kling.gate = asyncio.Event()
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)

        both = [asyncio.create_task(create(relay, token)) for _ in range(2)]
        await wait_until(lambda: len(kling.made) == 2)
        kling.gate.set()
        answers = [told(answer) for answer in await asyncio.gather(*both)]
        answers.append(told(await create(relay, token)))

        assert sorted(answers) == [(200, "k1"), (200, "k2"), (200, "k3")]


@pytest.mark.parametrize("first", [MaybeSent("reset"), refusal(503, 5001), Reply(502, "", b"")])
async def test_what_was_answered_5xx_is_joined_once(books: str, first: Any) -> None:
    """By the next equal create; the one after that is a task of its own."""
    kling = Kling()
    kling.does = [first]
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)

        answers: list[Any] = [told(await create(relay, token))[0]]
        await relay.rows("UPDATE tasks SET state = 'submitted', kling_id = 'k-first'")
        answers += [told(await create(relay, token))[1] for _ in range(2)]

        assert answers[0] >= 500
        assert answers[1] == "k-first"
        assert answers[2].startswith("k")
        assert answers[2] != "k-first"
        assert await tasks(relay) == 2


OTHERWISE = ["other bytes", "other path", "other token", "too late", "switched off", "other model"]


@pytest.mark.parametrize("differs", OTHERWISE)
async def test_nothing_else_joins(books: str, differs: str) -> None:
    """A create that differs in one thing from one that nobody heard is a task of its own."""
    kling = Kling()
    kling.does = [MaybeSent("reset")]
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)
        body, path = dict(CLIP), TEXT2VIDEO
        unheard = await create(relay, token)
        match differs:
            case "other bytes":
                body = {**CLIP, "prompt": CLIP["prompt"] + " "}
            case "other path":
                path = "/v1/videos/image2video"
            case "other token":
                token = await relay.add_tenant(
                    "beta", quota_micros=QUOTA_MICROS, joins_retries=True
                )
            case "too late":
                await relay.rows("UPDATE tasks SET created_at = now() - interval '601 seconds'")
            case "switched off":
                await relay.rows("UPDATE tenants SET joins_retries = false")
                relay.faces.kling._authenticator._changed.forget()  # noqa: SLF001 (instead of two seconds)
            case _:
                body = {**CLIP, "model_name": "kling-v2-6"}

        answer = await create(relay, token, body, path=path)

        assert (unheard.status_code, answer.status_code) == (504, 200)
        assert await tasks(relay) == 2


async def test_several_retries_of_several_creates_join_one_each(books: str) -> None:
    """Three equal creates that nobody heard, three retries at once: three tasks in all."""
    kling = Kling()
    kling.does = [MaybeSent("reset") for _ in range(3)]
    kling.gate = asyncio.Event()
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)

        unheard = [asyncio.create_task(create(relay, token)) for _ in range(3)]
        await wait_until(lambda: len(kling.made) == 3)
        kling.gate.set()
        await asyncio.gather(*unheard)
        retries = [asyncio.create_task(create(relay, token)) for _ in range(3)]
        await look_now(relay)
        answers = [told(answer) for answer in await asyncio.gather(*retries)]

        assert sorted(answers) == [(200, "k1"), (200, "k2"), (200, "k3")]
        assert await tasks(relay) == 3


async def test_what_nobody_hears_is_marked_though_its_account_is_locked(books: str) -> None:
    """An operator's session holds the account while a create is answered 504, longer than a lock is
    waited for: its retry joins it all the same.
    """
    kling = Kling()
    kling.does, kling.gate = [MaybeSent("reset")], asyncio.Event()
    async with running_relay(books, transport=kling.transport) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS, joins_retries=True)
        unheard = asyncio.create_task(create(relay, token))
        await wait_until(lambda: len(kling.made) == 1)
        async with relay.sessions.begin() as operator:
            await operator.execute(text("SELECT 1 FROM accounts FOR NO KEY UPDATE"))
            kling.gate.set()
            await wait_until(lambda: is_a_lock_waited_for(relay))
            await wait_until(lambda: is_no_lock_waited_for(relay))

        answer = await unheard
        retry = asyncio.create_task(create(relay, token))
        await look_now(relay)

        assert told(answer) == (504, 5002)
        assert told(await retry) == (200, "k1")
        assert await tasks(relay) == 1
