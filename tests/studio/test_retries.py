"""Creates of the studio's that are sent again without a key, since nobody heard their answer."""

import asyncio
from typing import Any

import httpx

from relay.tasks.retries import Client
from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay
from tests.studio.asking import ended, make

CLIP = {"prompt": "a red fox in the snow"}
PATH = "/api/kling/text-to-video"


async def lose(relay: Relay, made: httpx.Response) -> None:
    """Have it known that nobody heard this answer, as when its client hung up, or was told 503."""
    row = await relay.row(
        "SELECT id, request_id FROM runs WHERE public_id = $1::uuid", made.json()["task_id"]
    )
    client: Client[int] = Client(
        relay.parts.runs.beginner.retries,
        request_id=row["request_id"],
        path=made.request.url.path,
        body=made.request.content,
        key=made.request.headers.get("Idempotency-Key"),
    )
    client.await_task(row["id"])
    await client.give_up()


async def make_one(relay: Relay, token: IssuedToken, **more: Any) -> str:
    answer = await make(relay, token, "text-to-video", CLIP, **more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


async def test_what_nobody_heard_is_joined_by_one_that_is_equal(studio: Relay) -> None:
    """Of three at once one joins it; what is another's, or of another body or path, does not."""
    token = await studio.add_tenant("retries", joins_retries=True)
    other = await studio.add_tenant("retries-too", joins_retries=True)
    first = await make(studio, token, "text-to-video", CLIP)
    heard = await make_one(studio, token)
    await lose(studio, first)

    others = [
        await make_one(studio, other),
        (await make(studio, token, "text-to-video", CLIP | {"duration": "10"})).json()["task_id"],
        await make_one(studio, token, **{"Idempotency-Key": "its own"}),
    ]
    three = await asyncio.gather(*(make_one(studio, token) for _ in range(3)))
    again = await make_one(studio, token)

    lost = first.json()["task_id"]
    assert heard != lost
    assert three.count(lost) == 1, "it is joined, and by one alone"
    assert lost not in (*others, again)
    runs = await studio.rows("SELECT id FROM runs WHERE token_id = $1", token.id)
    assert len(runs) == 7
    for task_id in (lost, again):
        assert (await ended(studio, token, task_id))["charged"] == "0.21"


async def test_what_had_a_key_or_failed_is_not_joined_and_tenants_may_not_want_it(
    studio: Relay,
) -> None:
    token = await studio.add_tenant("retries-seldom", joins_retries=True)
    never = await studio.add_tenant("retries-never", joins_retries=False)
    keyed = await make(studio, token, "text-to-video", CLIP, **{"Idempotency-Key": "a"})
    failed = await make(studio, token, "text-to-video", {"prompt": "a fox [error 1301]"})
    unjoined = await make(studio, never, "text-to-video", CLIP)
    for answer in (keyed, failed, unjoined):
        await lose(studio, answer)

    anew = [
        await make_one(studio, token),
        (await make(studio, token, "text-to-video", {"prompt": "a fox [error 1301]"})).json()[
            "task_id"
        ],
        await make_one(studio, never),
    ]

    for before, after in zip((keyed, failed, unjoined), anew, strict=True):
        assert before.json()["task_id"] != after
    same = await make_one(studio, token, **{"Idempotency-Key": "a"})
    assert same == keyed.json()["task_id"]
